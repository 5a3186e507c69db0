"""The plans as data: what each costs and allows. A new plan is an entry here.

A forecast point is one predicted value: one series at one step. 24 series forecast 12 months ahead are 288.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apps.billing.errors import UnknownPlan
from tenants.services import FREE as FREE_LIMITS
from tenants.services import Limits


@dataclass(frozen=True, slots=True)
class Plan:
    """``amount`` is a month's price in minor units of ``currency``; what costs 0 is not sold through Stripe.

    ``product_id`` and ``lookup_key`` are how Stripe knows the plan; subscriptions are told apart by product,
    so that those who pay an older price stay on their plan.
    """

    code: str
    name: str
    amount: int
    currency: str
    pitch: str
    limits: Limits

    @property
    def product_id(self) -> str:
        """The id of the plan's product at Stripe."""
        return f"almanac_{self.code}"

    @property
    def lookup_key(self) -> str:
        """The key under which the plan's current monthly price stands at Stripe."""
        return f"almanac_{self.code}_monthly"

    @property
    def is_sold(self) -> bool:
        """Whether it is paid for."""
        return self.amount > 0

    @property
    def price_text(self) -> str:
        """A month's price as people write it."""
        return (
            f"${self.amount / 100:,.0f}"
            if self.currency == "usd"
            else f"{self.amount / 100:,.2f} {self.currency.upper()}"
        )


FREE: Final = Plan("free", "Free", 0, "usd", "To try it on data of your own.", FREE_LIMITS)
TEAM: Final = Plan(
    "team",
    "Team",
    4_900,
    "usd",
    "For a team that plans with its forecasts every week.",
    Limits(plan="team", forecast_points_per_month=250_000, running_jobs=3, datasets=50, rows=20_000_000),
)
BUSINESS: Final = Plan(
    "business",
    "Business",
    24_900,
    "usd",
    "For thousands of series, forecast daily.",
    Limits(
        plan="business", forecast_points_per_month=5_000_000, running_jobs=10, datasets=500, rows=500_000_000
    ),
)
PLANS: Final = (FREE, TEAM, BUSINESS)
SOLD: Final = tuple(plan for plan in PLANS if plan.is_sold)
RANK: Final = {plan.code: rank for rank, plan in enumerate(PLANS)}
_BY_CODE: Final = {plan.code: plan for plan in PLANS}
_BY_PRODUCT: Final = {plan.product_id: plan for plan in SOLD}


def get_plan(code: str) -> Plan:
    """The plan of that code; raises ``UnknownPlan``."""
    try:
        return _BY_CODE[code]
    except KeyError:
        raise UnknownPlan(plan=code[:40], known=", ".join(_BY_CODE)) from None


def find_plan(code: str) -> Plan | None:
    """The plan of that code; None for one that an operator made up for a single tenant."""
    return _BY_CODE.get(code)


def find_by_product(product_id: str) -> Plan | None:
    """The plan that Stripe's product stands for; None for products that are not ours."""
    return _BY_PRODUCT.get(product_id)
