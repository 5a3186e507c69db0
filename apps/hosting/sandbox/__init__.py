"""Models that tenants brought, parsed and run in processes that can take nobody with them.

``pool`` is the way in for what serves, ``checks`` for what is new. ``child`` is what they start; everything that touches a
model's bytes (``loading`` and what it imports) is imported there alone.
"""
