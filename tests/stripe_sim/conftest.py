from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from tests.stripe_sim.running import Simulator, simulator


@pytest.fixture(scope="package")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator without a webhook, shared by the tests that only ask the API."""
    folder: Path = tmp_path_factory.mktemp("stripe")
    with simulator(folder / "state.sqlite3") as running:
        yield running


@pytest.fixture
def price(sim: Simulator) -> stripe.Price:
    """A fresh product at 49.00 dollars a month."""
    product = sim.client.v1.products.create({"name": "Team"})
    return sim.client.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 4900, "recurring": {"interval": "month"}}
    )


@pytest.fixture
def customer(sim: Simulator) -> stripe.Customer:
    return sim.client.v1.customers.create({"email": "alice@acme.example", "name": "Acme"})
