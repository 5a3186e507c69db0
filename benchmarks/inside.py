"""What a benchmark does inside the application, with the environment of the web process of a running stack.

python inside.py limits TENANT [POINTS]      print the tenant's month as it was; with POINTS, set its limit
python inside.py steps REQUEST_JSON COUNT    time the steps of a request
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def limits(slug: str, points: int | None) -> dict[str, int]:
    """Limit and use of a tenant's forecast points this month, before the change."""
    import django

    django.setup()
    from apps.usage import queries as usage
    from tenants import queries, services
    from tenants.context import system_scope, tenant_scope

    with system_scope("operator"):
        tenant = queries.find_by_slug(slug=slug)
        assert tenant is not None, f"there is no tenant {slug}"
        row = queries.get_limits(tenant_id=tenant.id)
        before = services.Limits(
            **{name: getattr(row, name) for name in services.Limits.__dataclass_fields__}
        )
        if points is not None:
            changed = replace(before, forecast_points_per_month=points)
            services.set_limits(tenant_id=tenant.id, limits=changed, reason="benchmark")
    with tenant_scope(tenant.key):
        used = usage.get_quota().used
    return {"points": before.forecast_points_per_month, "used": used}


def main(words: list[str]) -> None:
    if words[0] == "limits":
        print(json.dumps(limits(words[1], int(words[2]) if len(words) > 2 else None)))
        return
    import steps

    print(json.dumps(steps.measure(json.loads(words[1]), int(words[2]))))


if __name__ == "__main__":
    main(sys.argv[1:])
