"""A small, stateful simulator of Stripe's HTTP API, for machines without a Stripe account.

The official SDK talks to it when its `api_base` points here; no card is ever charged. One file a resource
under `resources/`; what the hosted pages show is under `pages/`. Money is in minor units with a currency,
times are Unix seconds, and answers are shaped after API version `API_VERSION`.
"""

API_VERSION = "2026-10-28.endive"
