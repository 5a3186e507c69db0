"""Are a thousand tenants as quick and as cheap to run as ten? Prints a table, writes a JSON file.

    python benchmarks/tenants.py [N=1000] [--seconds 3] [--rounds 10]

Starts servers of its own and makes N tenants. What is compared runs in one go, in rounds, each in turn, so that
what else the machine does falls on all alike. Ends with code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import load
import running_stack
from own_servers import Site, Web, open_site, private_megabytes
from running_stack import HERE, REPOSITORY

FEW = 10
COLD = 10
NOTHING = 3
CONNECTIONS = 4
THREADS = 4
DATASETS = 3
WARM_SECONDS = 10.0
NO_LIMIT = {"ALMANAC_BACKEND_MB": "0"}
COLUMN = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("explanations", "{last}")]
    operations = [
        migrations.AddField("explanation", "bench", models.CharField(db_default="", default="", max_length=20)),
    ]
"""
BARS = {
    "a new tenant from the pool, p50": ("claim_p50_ms", "ms", 50),
    "a new tenant from the pool, p99": ("claim_p99_ms", "ms", 500),
    "a new tenant with an empty pool": ("cold_s", "s", 2),
    "tenants migrate, nothing to do": ("migrate_nothing_s", "s", 5),
    "tenants migrate, a column on all": ("migrate_column_s", "s", 60),
    "p95 of GET /v1/datasets, against that at 10": ("p95_ratio", "times", 1.3),
    "largest backend under that load": ("backend_mb", "MB", 150),
    "recycling takes of that load's throughput": ("recycling_percent", "%", 2),
    "largest backend, every table of all tenants": ("backend_all_tables_mb", "MB", 150),
}


@dataclass
class Target:
    """A web process, whom it is asked for, and what came of it."""

    web: Web
    choose: Callable[[], bytes]
    runs: list[load.Run] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    backend_mb: float = 0.0
    backends: set[int] = field(default_factory=set)

    async def ask(self, seconds: float, keep: bool = True) -> None:
        """One round."""
        before = running_stack.cpu_seconds(self.web.processes())
        run = await load.run(self.web.url, self.choose, connections=CONNECTIONS, seconds=seconds)
        if keep:
            self.runs.append(run)
            self.cpu.append((running_stack.cpu_seconds(self.web.processes()) - before) / len(run.taken))
        backends = self.web.site.backends(self.web.name)
        self.backends |= {each.pid for each in backends}
        self.backend_mb = max([self.backend_mb, *(private_megabytes(each) for each in backends)])

    def figures(self) -> dict[str, Any]:
        """All rounds together."""
        whole = load.Run()
        for run in self.runs:
            whole.add(run)
        cpu = statistics.median(self.cpu) * 1000
        backends = {"largest_backend_mb": round(self.backend_mb, 1), "backends_seen": len(self.backends)}
        return whole.figures() | {"cpu_ms": round(cpu, 3)} | backends

    def speeds(self) -> list[float]:
        """Requests a second, by round."""
        return [len(run.taken) / run.seconds for run in self.runs]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tenants", nargs="?", default="1000", metavar="N", help="how many tenants")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each target in each round")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    count = int(options.tenants.removeprefix("N="))
    with open_site() as site:
        results = measure(site, count, options.rounds, options.seconds)
        results["bars"] = bars(results)
        show(results)
        running_stack.write("tenants", results)
    return 0 if all(bar["met"] for bar in results["bars"].values()) else 1


def measure(site: Site, count: int, rounds: int, seconds: float) -> dict[str, Any]:
    """All figures, in the order in which they need each other."""
    conditions = {"tenants": count, "rounds": rounds, "seconds": seconds, "connections": CONNECTIONS}
    figures: dict[str, Any] = {"conditions": running_stack.conditions() | conditions}
    say("making tenants")
    figures |= make_tenants(count)
    requests = furnish()
    say("migrating nothing")
    site.manage("tenants", "migrate")  # fills the pool again
    nothing = [site.manage("tenants", "migrate") for _ in range(NOTHING)]
    figures["migrate_nothing_s"] = round(statistics.median(wall for wall, _cpu in nothing), 2)
    figures["migrate_nothing_cpu_s"] = round(statistics.median(cpu for _wall, cpu in nothing), 2)
    say("asking for data sets")
    figures |= asyncio.run(compare(site, requests, rounds, seconds))
    say("touching every table")
    figures |= touch_everything(site, rounds, seconds)
    say("adding a column")
    wall, cpu = add_column(site)
    figures |= {"migrate_column_s": round(wall, 2), "migrate_column_cpu_s": round(cpu, 2)}
    return figures


def make_tenants(count: int) -> dict[str, Any]:
    """Schemas made with nothing ready, the pool filled, and all of it claimed."""
    from django.db import connection

    from tenants import provisioning, services

    cold = [timed(provisioning.provision) for _ in range(COLD)]
    filling = timed(lambda: provisioning.refill(size=count))
    claims = [
        timed(lambda number=number: services.claim(name=f"Company {number}", slug=f"company-{number}"))
        for number in range(count)
    ]
    connection.close()
    cuts = statistics.quantiles(claims, n=100)
    return {
        "cold_s": round(max(cold), 3),
        "cold_p50_s": round(statistics.median(cold), 3),
        "pool_schemas_per_second": round((count - COLD) / filling, 1) if count > COLD else None,
        "claim_p50_ms": round(cuts[49] * 1000, 2),
        "claim_p99_ms": round(cuts[98] * 1000, 2),
    }


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def furnish() -> list[dict[str, str]]:
    """Give each tenant a key and some data sets; the headers to ask for them, by tenant."""
    from django.db import connection, transaction

    from apps.api_keys import services as api_keys
    from tenants.context import system_scope, tenant_scope
    from tenants.models import Tenant

    with system_scope("operator"):
        keys = [tenant.key for tenant in Tenant.objects.filter(state="active").order_by("slug")]
    headers = []
    for key in keys:
        with tenant_scope(key), transaction.atomic():
            _row, text = api_keys.create(name="Benchmark", scopes=["datasets:read"])
            make_datasets()
        headers.append({"Authorization": f"Bearer {text}"})
    connection.close()
    return headers


def make_datasets() -> None:
    """Rows as an upload leaves them."""
    from apps.datasets.models import Dataset, DatasetVersion

    for number in range(DATASETS):
        dataset = Dataset.objects.create(name=f"Sales {number}", slug=f"sales-{number}", origin="upload")
        DatasetVersion.objects.create(
            dataset=dataset, number=1, sha256="0" * 64, rows=100, series_count=2, first_ds="2024-01-01",
            last_ds="2024-12-31", frequency="D", columns={}, findings=[], samples=[],
        )  # fmt: skip


async def compare(site: Site, headers: list[dict[str, str]], rounds: int, seconds: float) -> dict[str, Any]:
    """The same endpoint for ten tenants, for all, and for all by backends that are never replaced."""
    with contextlib.ExitStack() as servers:
        targets = {
            name: target(servers.enter_context(site.web(name, **variables)), whom)
            for name, whom, variables in (
                ("few", headers[:FEW], {}),
                ("all", headers, {}),
                ("all, no recycling", headers, NO_LIMIT),
            )
        }
        for each in targets.values():
            await each.ask(WARM_SECONDS, keep=False)
        for number in range(rounds):
            # Whoever comes first in a round finds the machine in another state: all take turns.
            order = list(targets.values())
            for each in order[number % len(order) :] + order[: number % len(order)]:
                await each.ask(seconds)
        loads = {name: each.figures() for name, each in targets.items()}
        pairs = zip(targets["all"].speeds(), targets["all, no recycling"].speeds(), strict=True)
        return {
            "loads": loads,
            "p95_ratio": round(loads["all"]["p95_ms"] / loads["few"]["p95_ms"], 3),
            "backend_mb": loads["all"]["largest_backend_mb"],
            "recycling_percent": round(100 * (1 - statistics.median(with_ / without for with_, without in pairs)), 2),
        }  # fmt: skip


def target(web: Web, headers: list[dict[str, str]]) -> Target:
    """One of `headers` at random for each request."""
    requests = [load.make_request(f"{web.url}/v1/datasets", headers=each) for each in headers]
    dice = random.Random(7)
    return Target(web, lambda: dice.choice(requests))


def touch_everything(site: Site, rounds: int, seconds: float) -> dict[str, Any]:
    """The most that backends can be made to hold: all tables of tenants drawn at random, with and without recycling."""
    speeds: dict[str, list[float]] = {"recycling": [], "no recycling": []}
    largest = dict.fromkeys(speeds, 0.0)
    with contextlib.ExitStack() as stack:
        workers = {
            "recycling": stack.enter_context(toucher(site, "touch", {})),
            "no recycling": stack.enter_context(toucher(site, "touch-on", NO_LIMIT)),
        }
        names = {"recycling": "touch", "no recycling": "touch-on"}
        for _ in range(rounds):
            for name, work in workers.items():
                answer = work(seconds)
                speeds[name].append(answer["done"] / answer["seconds"])
                memory = [private_megabytes(each) for each in site.backends(names[name])]
                largest[name] = max([largest[name], *memory])
    pairs = zip(*speeds.values(), strict=True)
    return {
        "backend_all_tables_mb": round(largest["recycling"], 1),
        "backend_all_tables_unbounded_mb": round(largest["no recycling"], 1),
        "recycling_all_tables_percent": round(100 * (1 - statistics.median(a / b for a, b in pairs)), 2),
        "all_tables_per_second": round(statistics.median(speeds["recycling"]), 1),
    }


@contextlib.contextmanager
def toucher(
    site: Site, name: str, variables: dict[str, str]
) -> Iterator[Callable[[float], dict[str, float]]]:
    """A process that touches everything for so many seconds when asked."""
    environment = os.environ | site.variables | variables
    environment |= {"ALMANAC_APP_DSN": site.dsn_of(name), "ALMANAC_POOL": "1"}
    command = [sys.executable, str(HERE / "backends.py"), str(THREADS)]
    with subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def work(seconds: float) -> dict[str, float]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
            answer: dict[str, float] = json.loads(process.stdout.readline())
            return answer

        try:
            yield work
        finally:
            process.stdin.close()


def add_column(site: Site) -> tuple[float, float]:
    """Seconds, and seconds of CPU, of `manage.py tenants migrate` by a program that has one migration more."""
    folder = site.folder / "newer"
    migrations = folder / "newer_migrations"
    shutil.copytree(
        REPOSITORY / "apps" / "explanations" / "migrations", migrations, ignore=shutil.ignore_patterns("__pycache__")
    )  # fmt: skip
    last = max(path.stem for path in migrations.glob("0*.py"))
    (migrations / "9999_bench.py").write_text(COLUMN.format(last=last))
    (folder / "newer_settings.py").write_text(
        'from config.settings.dev import *\n\nMIGRATION_MODULES = {"explanations": "newer_migrations"}\n'
    )
    path = f"{folder}{os.pathsep}{REPOSITORY}"
    return site.manage("tenants", "migrate", DJANGO_SETTINGS_MODULE="newer_settings", PYTHONPATH=path)


def bars(results: dict[str, Any]) -> dict[str, Any]:
    """Each bar with what was measured."""
    return {
        name: {"measured": results[key], "unit": unit, "at_most": bar, "met": results[key] <= bar}
        for name, (key, unit, bar) in BARS.items()
    }


def show(results: dict[str, Any]) -> None:
    """The tables."""
    print(f"\n{results['conditions']['tenants']} tenants{'':34} measured   at most")
    for name, bar in results["bars"].items():
        unit = bar["unit"]
        print(
            f"{name:46} {bar['measured']:>8} {unit:5} {bar['at_most']:>6}  {'' if bar['met'] else 'MISSED'}"
        )
    print(
        f"\nCPU of tenants migrate: {results['migrate_nothing_cpu_s']} s, {results['migrate_column_cpu_s']} s"
    )
    print(
        f"\n{'GET /v1/datasets':18} {'p50 ms':>8} {'p95 ms':>8} {'req/s':>8} {'CPU ms':>8} {'backends':>9} {'MB':>6} failed"
    )
    for name, row in results["loads"].items():
        columns = f"{row['p50_ms']:8.2f} {row['p95_ms']:8.2f} {row['per_second']:8.1f} {row['cpu_ms']:8.2f}"
        backends = f"{row['backends_seen']:9} {row['largest_backend_mb']:6.1f}"
        print(f"{name:18} {columns} {backends} {row['failed']:6}")
    print(
        f"\nEvery table of tenants at random: {results['all_tables_per_second']} tenants/s; without recycling a backend"
        f" grew to {results['backend_all_tables_unbounded_mb']} MB; recycling took"
        f" {results['recycling_all_tables_percent']} % of the throughput there."
    )


def say(what: str) -> None:
    """How far it is."""
    print(f"{what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
