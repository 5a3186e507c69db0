"""The publish gate's part in a training: judging what came out, and having the seasonal naive serve where nothing may."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from apps.engine.forecasters import NAIVE
from apps.registry import gate
from apps.registry import queries as registry
from apps.registry.models import ModelVersion
from apps.training import asking, handing
from apps.training.models import Policy, TrainingRun

STANDS_IN: Final = "stands_in_for"  # in a version's params: the number of the one that the gate refused

if TYPE_CHECKING:
    from apps.engine import TrainResult
    from apps.engine.panel import Panel
    from apps.registry.contracts import Trained


def verdict(run: TrainingRun, result: TrainResult, panel: Panel) -> dict[str, Any]:
    """What the gate says of a training's result, as the version keeps it."""
    from apps import engine
    from apps.training import evidence

    costs = (run.spec["over_cost"], run.spec["under_cost"]) if "over_cost" in run.spec else None
    bundle = engine.load_bundle(result.bundle, result.sha256)
    return gate.decide(evidence.of(result, panel, bundle, costs)).as_json()


def carried_over(version: ModelVersion, bundle: bytes, panel: Panel) -> dict[str, Any]:
    """The verdict of ``version`` with new points in it: its backtest stands, what it would answer now is looked at anew."""
    from apps import engine
    from apps.training import evidence

    kept = version.verdict
    if not kept:
        return {}
    sane = gate.sane(evidence.sanity(panel, engine.load_bundle(bundle)))
    before = [check for check in kept["checks"] if check["name"] not in gate.SANE]
    return gate.with_checks(kept, before, sane, of=version.semver)


def needs_naive(run: TrainingRun, version: ModelVersion) -> bool:
    """Whether the gate refused ``version`` and no version that it let through answers in its place."""
    if not version.is_refused:
        return False
    champion = registry.get_model(name=run.model_name).champion
    return champion is None or (champion.is_naive and run.policy == Policy.PROMOTE)


def naive(run: TrainingRun, panel: Panel, refused: ModelVersion) -> Trained:
    """The seasonal naive of the run's data with calibrated intervals, to serve in place of ``refused``.

    Its job is the run's, told apart by a name: one that is done twice hands over the same version.
    """
    from apps.engine import training

    spec = replace(
        asking.engine_spec(run.spec, workers=1, pretrained=None),
        forecaster="auto",
        candidates=(NAIVE,),
        time_budget_seconds=None,
    )
    result = training.train(panel, spec)
    why = (
        f"version {refused.semver} ({refused.label}) did not pass the publish gate. {refused.verdict['why']}"
    )
    line = next(line for line in result.leaderboard if line.selected)
    found = {name: getattr(line, name) for name in ("mase", "smape", "rmsse", "wape")}
    known = {name: value for name, value in found.items() if value is not None}
    return replace(
        handing.over(
            run,
            result.bundle,
            algorithm=result.selected,
            label=line.label,
            metrics={"beats_naive": False, **known, **({"naive_mase": line.mase} if line.mase else {})},
            notes=[f"The seasonal naive serves: {why}", *result.notes],
            leaderboard=[each.as_json() for each in result.leaderboard],
            verdict={**verdict(run, result, panel), "why": why},
            params={**handing.asked(run), STANDS_IN: refused.number},
        ),
        job_id=uuid.uuid5(run.job_id, NAIVE),
    )
