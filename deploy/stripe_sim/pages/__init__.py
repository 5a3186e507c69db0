"""The pages that Stripe hosts: Checkout and the customer portal. Each says plainly that it is a simulator."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import Route

from deploy.stripe_sim.world import World

from . import checkout, portal


def routes(world: World, ring: Callable[[], None]) -> list[Route]:
    """The web routes of all pages; `ring` is called after each change."""
    return [*checkout.routes(world, ring), *portal.routes(world, ring)]
