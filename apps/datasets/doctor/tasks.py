"""What the sandbox's child does for the doctor: see ``apps.datasets.sandbox.tasks``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from apps.datasets.doctor import examine as doctor
from apps.datasets.doctor import fixes, telling
from apps.datasets.doctor.contracts import Step
from apps.datasets.doctor.sheet import sheet_of
from apps.datasets.points import state
from apps.datasets.points.manifest import Entry
from apps.datasets.reading import samples
from apps.datasets.reading.build import FAULT_SCHEMA
from apps.datasets.reading.grid import Grid, find_grid, frequency_of
from apps.datasets.reading.read import about

SHOWN: Final = 6
POINTS: Final = 400


def examine(request: Mapping[str, Any]) -> dict[str, Any]:
    """All that stands, examined; ``faults`` are cells that were no number when they came.

    Answers ``findings``, ``missing_steps``, ``gap_rule``, ``samples``; every line of it in ``target_lines``.
    """
    table = _standing(request)
    frequency = frequency_of(request["frequency"])
    votes = find_grid(table).votes
    faults = pl.DataFrame(request["faults"], FAULT_SCHEMA)
    known = about(tuple(request["covariates"]), tuple(request["past"]), Grid(frequency, votes), faults=faults)
    report = doctor.examine(table, known)
    doctor.write_lines(report, Path(request["target_lines"]))
    return {
        "findings": [asdict(each) for each in report.findings],
        "missing_steps": report.missing_steps,
        "gap_rule": report.gap_rule,
        "samples": [asdict(each) for each in samples.take_samples(table)],
    }


def preview_fix(request: Mapping[str, Any]) -> dict[str, Any]:
    """What ``steps`` would change: how many values, of which kinds, in how many series, and some series before and after."""
    table, frequency = _standing(request), frequency_of(request["frequency"])
    steps = [Step.from_json(each) for each in request["steps"]]
    done = fixes.apply(
        table, steps, frequency=frequency, covariates=request["covariates"], past=request["past"]
    )
    counted = dict(done.changes["code"].value_counts().iter_rows())
    wanted = request["series"] or done.changes["unique_id"].unique(maintain_order=True).head(SHOWN).to_list()
    return {
        "changes": done.changes.height,
        "by_code": counted,
        "series_count": done.changes["unique_id"].n_unique(),
        "examples": [_before_and_after(name, table, done) for name in wanted[:SHOWN]],
    }


def _standing(request: Mapping[str, Any]) -> pl.DataFrame:
    entries = [Entry.from_json(each) for each in request["entries"]]
    return state.current(entries, covariates=(*request["covariates"], *request["past"]))


def _before_and_after(name: str, table: pl.DataFrame, done: fixes.Applied) -> dict[str, Any]:
    before = table.filter(pl.col("unique_id") == name).tail(POINTS)
    after = done.table.filter(pl.col("unique_id") == name)
    sheet = sheet_of(before, None, ()) if before.height else None
    ds = [telling.moment(each, sheet) for each in sheet.ds.tolist()] if sheet else []
    joined = before.select("ds", "y").join(
        after.select("ds", pl.col("y").alias("after")).unique("ds", keep="last"),
        on="ds",
        how="left",
        maintain_order="left",
    )
    differs = joined.select(pl.col("y").ne_missing(pl.col("after"))).to_series()
    return {
        "series_id": name,
        "column": "y",
        "ds": ds,
        "before": joined["y"].to_list(),
        "after": joined["after"].to_list(),
        "marked": np.flatnonzero(differs.to_numpy()).tolist(),
    }
