"""A small data set, and models of it that are trained once a run; a test puts them into its tenant in milliseconds."""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from django.db import transaction
from django.utils.text import slugify

from apps import engine
from apps.core import scope, storage
from apps.core.ids import new_id
from apps.datasets import queries as datasets
from apps.datasets.models import Change, Dataset, FileKind, Origin
from apps.datasets.reading import asking
from apps.datasets.reading.contracts import ColumnMapping, Reading
from apps.datasets.sandbox import child, runner
from apps.datasets.services import files, uploads, versions
from apps.datasets.services.versions import Reason
from apps.engine.contracts import Spec, TrainResult
from apps.registry.models import Model, ModelVersion
from tests.engine.panels import build, seasonal

MAPPING = ColumnMapping("ds", "y", ("unique_id",))
MONTHS, SERIES, HORIZON = 72, 3, 6
SERIES_IDS = tuple(f"series-{number}" for number in range(SERIES))


def monthly_csv(months: int = MONTHS, names: tuple[str, ...] = SERIES_IDS) -> str:
    """Level, trend, season and noise of each series, the first of a month in each row."""
    lines = ["unique_id,ds,y"]
    for name, values in zip(names, seasonal(len(names), months), strict=True):
        lines += [f"{name},{_month(step)},{value:.4f}" for step, value in enumerate(values)]
    return "\n".join(lines) + "\n"


def dataset(name: str = "Sales", text: str | None = None) -> Dataset:
    """A data set of the tenant in scope; the same text is read once a run."""
    reading, parquet = _read(text or monthly_csv())
    with files.temporary(".parquet") as target:
        target.write_bytes(parquet)
        points = files.keep(FileKind.POINTS, target, ".parquet")
    assert points is not None
    with transaction.atomic():
        made = versions.create_dataset(name=name, slug=slugify(name), origin=Origin.UPLOAD)
        uploads.first_version(made, uploads.Content(reading, points), Reason(Change.UPLOAD))
    return made


@functools.cache
def _read(text: str) -> tuple[Reading, bytes]:
    """What the limited child would answer, made in this process, with the Parquet file that it would write."""

    def run(task: str, request: dict[str, Any], _limits: object = None) -> Any:
        return json.loads(json.dumps(child.answer(task, request)))

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(runner, "run", run):
        source, target = Path(folder, "data.csv"), Path(folder, "data.parquet")
        source.write_text(text)
        reading = asking.read_file(source=source, mapping=MAPPING, target=target)
        assert reading.table is not None, reading
        return reading, target.read_bytes()


@functools.cache
def result(algorithm: str) -> TrainResult:
    """What the engine makes of the small panel when ``algorithm`` wins over the seasonal naive."""
    spec = Spec(horizon=HORIZON, effort="fast", candidates=(algorithm,), windows=2)
    made = engine.train(build(seasonal(SERIES, MONTHS)), spec)
    assert made.selected == algorithm, made.leaderboard
    return made


@functools.cache
def naive() -> TrainResult:
    """What the engine makes of the small panel with no candidate but the seasonal naive."""
    spec = Spec(horizon=HORIZON, candidates=("seasonal_naive",), windows=2)
    return engine.train(build(seasonal(SERIES, MONTHS)), spec)


@functools.cache
def named(series_ids: tuple[str, ...]) -> TrainResult:
    """A seasonal naive of series with these ids."""
    panel = build(seasonal(len(series_ids), MONTHS))
    spec = Spec(horizon=HORIZON, candidates=("seasonal_naive",), windows=2)
    return engine.train(dataclasses.replace(panel, series_ids=series_ids), spec)


def model(name: str = "sales", made: TrainResult | None = None, of: Dataset | None = None) -> ModelVersion:
    """A champion in the tenant in scope, without MLflow's mirror."""
    made = made or naive()
    data = of or dataset(name.title())
    meta = engine.load_bundle(made.bundle, made.sha256).meta
    sha256, path = storage.write_content(scope.current_tenant(), "bundles", made.bundle, ".alm")
    row, _ = Model.objects.get_or_create(name=name, defaults={"dataset": data})
    version = ModelVersion.objects.create(
        model=row,
        number=row.versions.count() + 1,
        semver=f"1.{row.versions.count()}.0",
        algorithm=made.selected,
        label=meta.label,
        bundle_sha256=sha256,
        bundle_path=path,
        bundle_bytes=len(made.bundle),
        dataset_version=datasets.get_current_version(dataset=data),
        job_id=new_id(),
        metrics={},
        notes=made.notes,
        horizon_max=meta.horizon_max,
        levels=list(meta.levels),
        frequency=meta.frequency.alias,
        series_count=len(meta.series_ids),
        cutoff=meta.cutoff,
        seed=0,
        code_version=engine.__version__,
    )
    Model.objects.filter(id=row.id).update(champion=version)
    return version


def _month(step: int) -> str:
    return f"{2015 + step // 12}-{step % 12 + 1:02d}-01"
