"""Statements on every table of tenants drawn at random: the most that backends can be made to remember.

    python benchmarks/backends.py THREADS     with the environment of a web process; `tenants.py` runs it

Reads a number of seconds per line, works so long, and prints what it did as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main(threads: int) -> None:
    """Answer each line until the input ends."""
    import django

    django.setup()
    from apps.core.tenancy import TenantKey
    from tenants.context import system_scope
    from tenants.models import Tenant
    from tenants.postgresql.backends import _tenant_tables

    with system_scope("operator"):
        rows = Tenant.objects.filter(state="active").values_list("id", "schema_name")
        keys = [TenantKey(id=id, schema=schema) for id, schema in rows]
    statements = [
        f'SELECT * FROM "{table}" LIMIT 1; DELETE FROM "{table}" WHERE false'
        for table in sorted(_tenant_tables())
    ]
    print("ready", flush=True)
    for line in sys.stdin:
        counts: list[int] = []
        end = time.monotonic() + float(line)
        work = [
            threading.Thread(target=touch, args=(keys, statements, end, random.Random(number), counts))
            for number in range(threads)
        ]
        began = time.perf_counter()
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        print(json.dumps({"done": sum(counts), "seconds": time.perf_counter() - began}), flush=True)


def touch(keys: list, statements: list[str], end: float, dice: random.Random, counts: list[int]) -> None:
    """As a request: take a connection, use all tables of one tenant, give it back."""
    from django.db import close_old_connections, connection

    from tenants.context import tenant_scope

    done = 0
    while time.monotonic() < end:
        with tenant_scope(dice.choice(keys)), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        close_old_connections()
        done += 1
    counts.append(done)


if __name__ == "__main__":
    main(int(sys.argv[1]))
