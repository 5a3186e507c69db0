"""The model card of a version: what it is for, what it was made of, how good it is, and where it ends. Plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from apps.core import scope, storage
from apps.core.ids import public_id
from apps.registry import queries as registry
from apps.registry.models import ModelVersion
from apps.training import queries
from apps.training.models import TrainingRun

if TYPE_CHECKING:
    from apps.engine.serving import LoadedBundle

FORMAT: Final = 1
MOST_FEATURES: Final = 20


def of(*, model_name: str, ref: str) -> dict[str, Any]:
    """The card. Reads the bundle, whose hash is checked. Raises ``NotFound`` and ``StorageCorrupted``."""
    from apps import engine
    from apps.engine import importance

    version = registry.resolve(name=model_name, ref=ref)
    model = registry.get_model(name=model_name)
    data = storage.read_content(scope.current_tenant(), version.bundle_path, version.bundle_sha256)
    bundle = engine.load_bundle(data)
    run = queries.find_run_that_tried(version=version)
    return {
        "card_format": FORMAT,
        "model": model.name,
        "version": version.number,
        "semver": version.semver,
        "aliases": model.aliases_of(version),
        "label": version.label,
        "made_at": version.created_at,
        "made_by": (run and run.created_by) or None,
        "intended_use": _use(version, model.dataset.name),
        "data": _data(version),
        "features": _features(bundle, version),
        "members": _members(bundle),
        "asked": {**version.params, "seed": version.seed},
        "engine_version": version.code_version,
        "backtest": _backtest(run),
        "coverage": _coverage(bundle, version),
        "importance": [
            {"feature": name, "share": share} for name, share in importance.of(data)[:MOST_FEATURES]
        ],
        "approval": version.verdict or None,
        "limits": _limits(bundle, version),
        "lineage": _lineage(version, run),
        "hashes": {
            "bundle_sha256": version.bundle_sha256,
            "data_sha256": version.dataset_version.sha256,
            "backtest_sha256": (run and run.backtest_sha256) or None,
        },
    }


def _use(version: ModelVersion, dataset: str) -> dict[str, Any]:
    steps = f"1 to {version.horizon_max} steps"
    return {
        "purpose": f"Forecasts of the {version.series_count} series of “{dataset}”, {steps} ahead, with intervals of "
        f"{', '.join(f'{level} %' for level in version.levels)}.",
        "out_of_scope": [
            f"More than {version.horizon_max} steps ahead.",
            "Series that were not in the data, except as a new version brings them in.",
            "Changes of which the past holds no example: bands widen by what the backtest saw, and no further.",
        ],
    }


def _data(version: ModelVersion) -> dict[str, Any]:
    data = version.dataset_version
    return {
        "dataset": data.dataset.slug,
        "version": data.number,
        "id": public_id("dsv", data.id),
        "rows": data.rows,
        "series": version.series_count,
        "frequency": version.frequency,
        "first": data.first_ds,
        "last": data.last_ds,
        "cutoff": version.cutoff,
        "as_of": version.params.get("as_of"),
    }


def _features(bundle: LoadedBundle, version: ModelVersion) -> list[dict[str, str]]:
    """Each covariate with when its values are known."""
    events = set(bundle.meta.events)
    known = [
        {
            "name": name,
            "known": "ahead, from the calendar" if name in events else "ahead, brought by the caller",
        }
        for name in bundle.meta.covariates
    ]
    ours = {"name": "the series' own past", "known": "up to the cutoff"}
    levels = [{"name": name, "known": "always"} for name in version.schema.get("hierarchy", ())]
    return [ours, *known, *levels]


def _members(bundle: LoadedBundle) -> list[dict[str, Any]]:
    """What is inside, and how much each counts on average over the series."""
    shares = bundle.weights.mean(axis=0)
    found = [
        {"name": name, "weight": round(float(share), 4)}
        for name, share in zip(bundle.meta.members, shares, strict=True)
    ]
    return sorted(found, key=lambda member: (-member["weight"], member["name"]))


def _backtest(run: TrainingRun | None) -> dict[str, Any] | None:
    if run is None or not run.breakdown:
        return None
    kept = ("step", "window", "cutoff", "points", "series", "mase", "naive_mase", "wape", "bias")
    return {
        "training_run": run.public_id,
        "overall": run.breakdown["all"][0],
        **{
            name: [{each: row[each] for each in kept if each in row} for row in run.breakdown[name]]
            for name in ("horizon", "window")
        },
    }


def _coverage(bundle: LoadedBundle, version: ModelVersion) -> list[dict[str, Any]]:
    seen = {each["level"]: each for each in version.verdict.get("evidence", {}).get("coverage", ())}
    return [
        {
            "level": each["level"],
            "calibrated": each["calibrated"],
            "share": seen.get(each["level"], {}).get("share"),
        }
        for each in bundle.meta.intervals
    ]


def _limits(bundle: LoadedBundle, version: ModelVersion) -> list[str]:
    """What was done differently for some series, and what the training noted."""
    flagged: dict[str, int] = {}
    for flags in bundle.series_flags:
        for flag in flags:
            flagged[flag] = flagged.get(flag, 0) + 1
    words = [f"{count} series: {flag.replace('_', ' ')}." for flag, count in sorted(flagged.items())]
    failed = [check["words"] for check in version.verdict.get("checks", ()) if not check["passed"]]
    return [*failed, *words, *version.notes]


def _lineage(version: ModelVersion, run: TrainingRun | None) -> dict[str, str | None]:
    data = version.dataset_version
    return {
        "dataset_version": f"/v1/datasets/{data.dataset.slug}/versions/{data.number}",
        "training_run": f"/v1/training-runs/{run.public_id}" if run else None,
        "bundle": f"/v1/models/{version.model.name}/versions/{version.semver}/bundle",
    }
