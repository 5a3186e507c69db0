"""What a child can be asked to do: a name, and the function that takes the request and gives the answer, both JSON values."""

from __future__ import annotations

from typing import Final

# "module:function"; the module is imported in the child alone, so that the web process never loads polars.
TASKS: Final = {
    "read": "apps.datasets.reading.tasks:read",
    "statics": "apps.datasets.reading.tasks:statics",
    "demo": "apps.datasets.reading.tasks:demo",
    "points.append": "apps.datasets.points.tasks:append",
    "points.compact": "apps.datasets.points.tasks:compact",
    "points.delete": "apps.datasets.points.tasks:delete",
    "points.diff": "apps.datasets.points.tasks:diff",
    "points.export": "apps.datasets.points.tasks:export",
    "points.list_series": "apps.datasets.points.tasks:list_series",
    "points.series": "apps.datasets.points.tasks:read_series",
    "examine": "apps.datasets.doctor.tasks:examine",
    "preview_fix": "apps.datasets.doctor.tasks:preview_fix",
    "training.backtest": "apps.training.backtests:answer",
    "expect": "apps.datasets.expectations.tasks:expect",
}
