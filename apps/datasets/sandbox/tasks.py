"""What a child can be asked to do: a name, and the function that takes the request and gives the answer, both JSON values."""

from __future__ import annotations

from typing import Final

# "module:function"; the module is imported in the child alone, so that the web process never loads polars.
TASKS: Final = {
    "read": "apps.datasets.reading.tasks:read",
    "demo": "apps.datasets.reading.tasks:demo",
    "expect": "apps.datasets.expectations.tasks:expect",
    "points.append": "apps.datasets.points.tasks:append",
    "points.delete": "apps.datasets.points.tasks:delete",
    "points.compact": "apps.datasets.points.tasks:compact",
    "points.diff": "apps.datasets.points.tasks:diff",
    "points.summary": "apps.datasets.points.tasks:summary",
    "points.series": "apps.datasets.points.tasks:series",
    "points.list_series": "apps.datasets.points.tasks:list_series",
    "points.export": "apps.datasets.points.tasks:export",
}
