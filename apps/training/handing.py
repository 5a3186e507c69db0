"""What a run hands over to the registry."""

from __future__ import annotations

from typing import Any

from apps.registry.contracts import Trained
from apps.training.models import TrainingRun


def over(run: TrainingRun, bundle: bytes, **found: Any) -> Trained:
    """The run's ``bundle`` with what stands in it and on the run; ``found`` are the fields of ``Trained`` that neither tells.

    Raises ``EngineError`` for a bundle that cannot be loaded.
    """
    from apps import engine

    meta = engine.load_bundle(bundle).meta
    return Trained(
        model_name=run.model_name,
        dataset_id=run.dataset_id,
        dataset_version_id=run.dataset_version_id,
        job_id=run.job_id,
        bundle=bundle,
        horizon_max=meta.horizon_max,
        levels=list(meta.levels),
        frequency=meta.frequency.alias,
        series_count=len(meta.series_ids),
        cutoff=meta.cutoff,
        seed=run.seed,
        code_version=engine.__version__,
        series_example=meta.series_ids[0],
        data_name=f"{run.dataset.slug}.{run.dataset_version.number}",
        data_sha256=run.dataset_version.sha256,
        schema={
            "covariates": sorted({*meta.covariates} - {*meta.events}),
            "keys": list((run.dataset_version.columns["mapping"] or {}).get("series") or []),
            "hierarchy": list(run.spec.get("hierarchy") or []),
        },
        **{"params": asked(run), **found},
    )


def asked(run: TrainingRun) -> dict[str, Any]:
    """What was asked for, but for the seed, and for the version that a training was to bring new points into."""
    return {name: value for name, value in run.spec.items() if name not in ("seed", "refresh_of")}
