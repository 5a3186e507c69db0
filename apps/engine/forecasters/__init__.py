"""The forecasters by name. One file and one line add another; the order is the order they are tried in."""

from __future__ import annotations

from apps.engine import errors
from apps.engine.forecasters.adida import ADIDA
from apps.engine.forecasters.auto_arima import AutoARIMA
from apps.engine.forecasters.auto_ces import AutoCES
from apps.engine.forecasters.auto_ets import AutoETS
from apps.engine.forecasters.base import FitContext, Fitted, Forecaster
from apps.engine.forecasters.croston import Croston
from apps.engine.forecasters.croston_sba import CrostonSBA
from apps.engine.forecasters.damped import Damped
from apps.engine.forecasters.drift import Drift
from apps.engine.forecasters.imapa import IMAPA
from apps.engine.forecasters.lightgbm_global import LightGBMGlobal
from apps.engine.forecasters.lightgbm_recursive import LightGBMRecursive
from apps.engine.forecasters.lightgbm_tweedie import LightGBMTweedie
from apps.engine.forecasters.linear_global import LinearGlobal
from apps.engine.forecasters.mstl_arima import MSTLARIMA
from apps.engine.forecasters.mstl_ets import MSTLETS
from apps.engine.forecasters.naive import Naive
from apps.engine.forecasters.pretrained_global import PretrainedGlobal
from apps.engine.forecasters.seasonal_naive import SeasonalNaive
from apps.engine.forecasters.seasonal_naive_long import SeasonalNaiveLong
from apps.engine.forecasters.seasonal_window_average import SeasonalWindowAverage
from apps.engine.forecasters.ses import SimpleSmoothing
from apps.engine.forecasters.standard_theta import StandardTheta
from apps.engine.forecasters.theta import Theta
from apps.engine.forecasters.tsb import TSB
from apps.engine.forecasters.window_average import WindowAverage

NAIVE = SeasonalNaive.name
PRETRAINED = PretrainedGlobal.name

REGISTRY: dict[str, Forecaster] = {
    forecaster.name: forecaster
    for forecaster in (
        SeasonalNaive(),
        Naive(),
        Drift(),
        WindowAverage(),
        SeasonalWindowAverage(),
        SeasonalNaiveLong(),
        AutoETS(),
        SimpleSmoothing(),
        Damped(),
        Theta(),
        StandardTheta(),
        AutoCES(),
        AutoARIMA(),
        MSTLETS(),
        MSTLARIMA(),
        Croston(),
        CrostonSBA(),
        TSB(),
        ADIDA(),
        IMAPA(),
        LightGBMGlobal(),
        LightGBMRecursive(),
        LightGBMTweedie(),
        LinearGlobal(),
        PretrainedGlobal(),
    )
}  # fmt: skip

__all__ = ["NAIVE", "PRETRAINED", "REGISTRY", "FitContext", "Fitted", "Forecaster", "choose"]


def choose(names: tuple[str, ...] | None) -> list[Forecaster]:
    """The named forecasters in registry order, the seasonal naive always first; None means all.

    Raises UnknownForecaster.
    """
    wanted = set(REGISTRY if names is None else names) | {NAIVE}
    for name in wanted - set(REGISTRY):
        raise errors.UnknownForecaster(name=name, known=", ".join(REGISTRY))
    return [forecaster for name, forecaster in REGISTRY.items() if name in wanted]
