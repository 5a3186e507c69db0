"""The forecasters by name. One file and one line add another; the order is the order they are tried in."""

from __future__ import annotations

from apps.engine import errors
from apps.engine.forecasters.auto_ets import AutoETS
from apps.engine.forecasters.base import FitContext, Fitted, Forecaster
from apps.engine.forecasters.lightgbm_global import LightGBMGlobal
from apps.engine.forecasters.seasonal_naive import SeasonalNaive
from apps.engine.forecasters.theta import Theta

NAIVE = SeasonalNaive.name

REGISTRY: dict[str, Forecaster] = {
    forecaster.name: forecaster
    for forecaster in (
        SeasonalNaive(),
        AutoETS(),
        Theta(),
        LightGBMGlobal(),
    )
}  # fmt: skip

__all__ = ["NAIVE", "REGISTRY", "FitContext", "Fitted", "Forecaster", "choose"]


def choose(names: tuple[str, ...] | None) -> list[Forecaster]:
    """The named forecasters in registry order, the seasonal naive always first; None means all.

    Raises UnknownForecaster.
    """
    wanted = set(REGISTRY if names is None else names) | {NAIVE}
    for name in wanted - set(REGISTRY):
        raise errors.UnknownForecaster(name=name, known=", ".join(REGISTRY))
    return [forecaster for name, forecaster in REGISTRY.items() if name in wanted]
