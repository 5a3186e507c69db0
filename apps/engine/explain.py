"""Why a forecast is what it is: parts in the data's units that add up to it.

Trees are explained with shap.TreeExplainer; the other models by their own components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from apps.engine import errors
from apps.engine.designs import Design
from apps.engine.features import CALENDAR, STEP_NAMES, FeatureSpec
from apps.engine.serving.components import LABELS, RECONCILIATION
from apps.engine.serving.covariates import Request, future_values
from apps.engine.serving.loaded import LoadedBundle, load_bundle
from apps.engine.serving.pooled import GlobalTrees, LinearGlobal, RecursiveTrees, TweedieTrees
from apps.engine.serving.predictors import (
    DynamicTheta,
    ExponentialSmoothing,
    Paths,
    SeasonalNaive,
)
from apps.engine.serving.state import Floats, Predictor

SHAP = "shap.TreeExplainer"
COMPONENTS = "components"
GROUPS = {
    "mean_long": ("recent_level", "recent level"),
    "mean_short": ("recent_level", "recent level"),
    "spread": ("recent_variability", "recent variability"),
    "trend": ("recent_trend", "recent trend"),
    "step": ("step", "how far ahead"),
    "seasonal_term": ("usual_season", "usual season"),
    "seasonal_strength": ("usual_season", "usual season"),
    "height": ("recent_level", "recent level"),
    "persistence": ("history", "how the history runs"),
    "length": ("history", "how the history runs"),
}
KINDS = {
    **dict.fromkeys(("mean", "mean_fading"), ("recent_level", "recent level")),
    **dict.fromkeys(("slope", "lead"), ("recent_trend", "recent trend")),
}
FAMILIES = {
    **dict.fromkeys(("lag_0", "recent_values", "recent_level"), ("recent_level", "recent level")),
    **dict.fromkeys(("trend", "recent_trend", "step"), ("trend", "trend")),
    **dict.fromkeys(("season", "usual_season", "last_season", "position_in_season"), ("season", "season")),
}
CALENDAR_NAMES = frozenset(name for names in CALENDAR.values() for name in names)
BASE_LABELS: dict[type[Any], str] = {
    ExponentialSmoothing: "smoothed level", DynamicTheta: "smoothed level", Paths: "level",
}  # fmt: skip
TREND_LABELS = {(DynamicTheta, "trend"): "long-run drift line"}


class Part(NamedTuple):
    """One addend of a forecast, in units of the data; `name` is stable, `label` for people."""

    name: str
    label: str
    value: float


@dataclass(frozen=True)
class Explanation:
    """`base` plus the parts' values is `prediction` (to 1e-6 of its size), all in units of the data.

    `method` is "shap.TreeExplainer", "components" or, for a combination, both joined by "and"; `inputs` gives, per
    part name, the value the model saw where there is a single one; parts are ordered by size, a bound last.
    """

    series_id: str
    step: int
    ds: str
    base: float
    parts: list[Part]
    prediction: float
    method: str
    base_label: str
    inputs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pieces:
    base: float
    parts: list[Part]
    method: str
    base_label: str
    inputs: dict[str, float] = field(default_factory=dict)


def explain(  # noqa: PLR0917 - the last two have defaults
    bundle_bytes: bytes,
    series_id: str,
    step: int,
    seed: int = 0,
    future: Request | None = None,
    horizon: int | None = None,
) -> Explanation:
    """Explain the forecast of `series_id` for `step` (1 = the first after the data).

    `future` is the covariates the forecast was asked with, `horizon` its horizon (None: the model's). `seed`
    is kept for explainers that sample; these do not. Raises UnknownSeries, InvalidHorizon, InvalidCovariate,
    BundleDamaged.
    """
    del seed
    loaded = load_bundle(bundle_bytes)
    horizon = horizon or loaded.meta.horizon_max
    prediction = loaded.predict([series_id], horizon, (), future)
    if not 1 <= step <= horizon:
        raise errors.InvalidHorizon(horizon=step, horizon_max=loaded.meta.horizon_max)
    row = loaded.rows[series_id]
    total = float(prediction.mean[0, step - 1])
    pieces = _weighted(loaded, row, step, _covariates(loaded, row, series_id, horizon, future))
    parts = sorted(pieces.parts, key=lambda part: -abs(part.value))
    if loaded.reconciler is not None:
        moved = loaded.components([series_id], horizon, future).of(RECONCILIATION)
        parts.append(Part(RECONCILIATION, LABELS[RECONCILIATION], float(moved[0, step - 1])))
    bound = total - pieces.base - sum(part.value for part in parts)
    if abs(bound) > 1e-9 * max(abs(total), abs(pieces.base), 1e-300):
        parts.append(Part("bound", f"kept at the lower bound of {loaded.lower[row]:g}", bound))
    ds = str(prediction.ds[0][step - 1])
    return Explanation(
        series_id, step, ds, pieces.base, parts, total, pieces.method, pieces.base_label, pieces.inputs
    )


def _covariates(
    loaded: LoadedBundle, row: int, series_id: str, horizon: int, future: Request | None
) -> dict[str, Floats]:
    values, _ = future_values(
        loaded.tails, loaded.meta.covariates, np.asarray([row]), [series_id], horizon=horizon, request=future
    )
    return {name: block[0] for name, block in values.items()}


def _weighted(loaded: LoadedBundle, row: int, step: int, future: dict[str, Floats]) -> _Pieces:
    """The members' pieces mixed by their weights; a single member's as they are."""
    used = [(float(w), m) for w, m in zip(loaded.weights[row], loaded.members, strict=True) if w > 0]
    pieces = [(w, EXPLAINERS[type(m)](m, row, step, future)) for w, m in used]
    if len(pieces) == 1:
        return pieces[0][1]
    base = sum(w * p.base for w, p in pieces)
    method = " and ".join(sorted({p.method for _, p in pieces}, reverse=True))
    parts = _merged([(w, part) for w, p in pieces for part in p.parts])
    inputs = {name: seen for _, p in pieces for name, seen in p.inputs.items() if name in parts}
    return _Pieces(base, list(parts.values()), method, "weighted level of the members", inputs)


def _merged(weighted: list[tuple[float, Part]]) -> dict[str, Part]:
    """Parts of several members by what they are about: each season's, trend's and level's are one part."""
    parts: dict[str, Part] = {}
    for weight, part in weighted:
        name, label = _family(part)
        before = parts[name].value if name in parts else 0.0
        parts[name] = Part(name, label, before + weight * part.value)
    return parts


def _family(part: Part) -> tuple[str, str]:
    if part.name.startswith("season_") or part.name in CALENDAR_NAMES:
        return FAMILIES["season"]
    return FAMILIES.get(part.name, (part.name, part.label))


def _naive(member: Any, row: int, step: int, future: dict[str, Floats]) -> _Pieces:
    frequency = member.tails.frequency
    season = frequency.season_length if len(member.tails.series(row)) >= frequency.season_length else 1
    back = season * -(-step // season) if season > 1 else step
    label = f"difference of the value {_ago(back, frequency.unit)}"
    base, parts = _own_parts(member, row, step, future)
    return _Pieces(base, [Part("last_season", label, parts["season"])], COMPONENTS, "mean of the last season")


def _local(member: Any, row: int, step: int, future: dict[str, Floats]) -> _Pieces:
    base, found = _own_parts(member, row, step, future)
    parts = [
        Part(name, TREND_LABELS.get((type(member), name), name), value)
        for name, value in found.items()
        if name == "trend" or value != 0.0
    ]
    return _Pieces(base, parts, COMPONENTS, BASE_LABELS[type(member)])


def _pooled(member: Any, row: int, step: int, future: dict[str, Floats]) -> _Pieces:
    base, found = _own_parts(member, row, step, future)
    parts = [Part(name, name.removeprefix("x_").replace("_", " "), value) for name, value in found.items()]
    return _Pieces(base, parts, COMPONENTS, "recent level")


def _own_parts(
    member: Predictor, row: int, step: int, future: dict[str, Floats]
) -> tuple[float, dict[str, float]]:
    """The member's level at `step`, and its other components by name."""
    blocks = {name: values[None, :step] for name, values in future.items()}
    parts = {
        name: float(block[0, -1]) for name, block in member.parts(np.asarray([row]), step, blocks).items()
    }
    return parts.pop("level"), parts


def _trees(member: Any, row: int, step: int, future: dict[str, Floats]) -> _Pieces:
    horizon = max(step, *(len(block) for block in future.values())) if future else step
    made = member.design(row, horizon, future)
    seen = _Step(member.spec, made, step, future)
    contributions, expected = _shap(member.state.text, made.x[step - 1 : step])
    parts = seen.fixed_parts()
    inputs: dict[str, float] = {}
    for name, given, value in zip(member.spec.names, made.x[step - 1], contributions, strict=True):
        key, label = _group(member.spec, name, step)
        before = parts[key].value if key in parts else 0.0
        parts[key] = Part(key, label, before + seen.scale * float(value))
        if key == name and np.isfinite(given):
            inputs[key] = seen.as_people_know(name, float(given))
    label = "latest value without its season" if member.spec.is_adjusted else "level of the last season"
    return _Pieces(seen.anchor + seen.scale * expected, list(parts.values()), SHAP, label, inputs)


@dataclass(frozen=True)
class _Step:
    """One step of a design of one origin."""

    spec: FeatureSpec
    made: Design
    step: int
    future: dict[str, Floats]

    @property
    def anchor(self) -> float:
        return float(self.made.anchor[0])

    @property
    def scale(self) -> float:
        return float(self.made.scale[0])

    @property
    def season(self) -> float:
        return float(self.made.season[0, self.step - 1])

    def fixed_parts(self) -> dict[str, Part]:
        """What the forecast has whatever the trees say."""
        if not self.spec.seasons:
            return {}
        return {"usual_season": Part("usual_season", "usual season", self.season)}

    def as_people_know(self, name: str, given: float) -> float:
        """A feature's value: lags in units of the data, covariates as they were given."""
        if name.startswith("x_"):
            return float(self.future[name[2:]][self.step - 1])
        season = self.season if name.startswith("season_") else 0.0
        return self.anchor + season + self.scale * given if name.startswith(("lag_", "season_")) else given


def _shap(text: str, row: Floats) -> tuple[Floats, float]:
    """SHAP values f8[F] of one row and the expected value, both in the model's scaled units."""
    import warnings

    import lightgbm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        explainer = shap.TreeExplainer(lightgbm.Booster(model_str=text))
        values = np.asarray(explainer.shap_values(row), np.float64).reshape(-1)
    return values, float(np.ravel(explainer.expected_value)[0])


def _group(spec: FeatureSpec, name: str, step: int) -> tuple[str, str]:
    """The part a feature belongs to: single lags beyond the latest are one part, so are means, trends, and all that comes
    of a covariate.
    """
    kind, _, number = name.rpartition("_")
    if name in spec.owners:
        return f"x_{spec.owners[name]}", spec.label(name)
    if kind == "lag" and number != "0":
        return "recent_values", "values before the latest"
    if kind == "season":
        back = spec.season * (-(-step // spec.season) + int(number) - 1)
        return name, f"value {_ago(back, spec.unit)}"
    return GROUPS.get(name) or KINDS.get(kind) or (name, spec.label(name))


def _ago(steps: int, unit: str) -> str:
    word = STEP_NAMES.get(unit, "step")
    return f"{steps} {word}{'s' if steps != 1 else ''} before"


EXPLAINERS: dict[type[Predictor], Callable[[Any, int, int, dict[str, Floats]], _Pieces]] = {
    SeasonalNaive: _naive,
    ExponentialSmoothing: _local,
    DynamicTheta: _local,
    Paths: _local,
    GlobalTrees: _trees,
    RecursiveTrees: _pooled,
    TweedieTrees: _pooled,
    LinearGlobal: _pooled,
}
