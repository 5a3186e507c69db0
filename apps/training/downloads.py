"""The kept forecasts of a run as a file to take away."""

from __future__ import annotations

from typing import Final

from django.http import FileResponse

from apps.core import scope, storage
from apps.datasets.services import files
from apps.training import queries
from apps.training.models import TrainingRun

FORMATS: Final = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


def response(run: TrainingRun, form: str) -> FileResponse:
    """The forecasts in one of ``FORMATS``, as an attachment; the file made for it is gone once it is open.

    Raises ``NoBacktest``.
    """
    if form == "parquet":
        with queries.kept_forecasts(run=run):
            stream = storage.open_content(scope.current_tenant(), run.backtest_path)
    else:
        with files.temporary(f".{form}") as target:
            queries.convert(run=run, form=form, target=target)
            stream = target.open("rb")
    name = f"backtest-{run.model_name}-{run.public_id}.{form}"
    answer = FileResponse(stream, as_attachment=True, filename=name, content_type=FORMATS[form])
    answer["Cache-Control"] = "no-store"
    return answer
