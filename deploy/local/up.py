"""`make up`: from a folder to an answered forecast, then keep everything running until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from deploy.local import announce, environment, marks, postgres, preflight, processes, redis, secrets, state
from deploy.local.console import Console, Step
from deploy.local.environment import Environments, Services
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.options import Options
from deploy.local.problems import StartProblem
from deploy.local.supervisor import Probe, Process, Supervisor
from deploy.local.tasks import run_command, together
from tenants import bootstrap

STEPS = 6


@contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Hold the folder for this start; the kernel lets go of it however we end."""
    with layout.lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            running = state.load(layout.state_file)
            who = f" (pid {running.supervisor.pid}, {running.url})" if running.supervisor else ""
            raise StartProblem(
                f"Almanac is already running on {layout.var}{who}.",
                "Use it, or `make down` first; with ALMANAC_VAR=… and PORT=… a second one starts beside it.",
            ) from error
        yield


class Start:
    """One start of the stack."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._layout = options.layout
        self._console = console
        ourselves = state.describe("supervisor", os.getpid())
        self._state = state.State(self._layout.state_file, ourselves, options.url)
        self._marks = marks.Marks(self._layout.var / "marks.json")
        self._supervisor = Supervisor(self._state, self._layout.logs, console.line)

    async def run(self) -> None:
        """Start, announce, and supervise until cancelled; stops everything however it ends."""
        began = time.monotonic()
        try:
            demo, forecast = await self._until_forecast()
            announce.write(self._layout.announcement, self._options.url, demo)
            for line in announce.summary(self._options.url, demo, forecast):
                self._console.line(line)
            self._console.line(f"Ready after {time.monotonic() - began:.0f} s.")
            await self._supervisor.run()
        finally:
            self._console.line("Stopping …")
            self._layout.announcement.unlink(missing_ok=True)
            await self._supervisor.stop(processes.STOP_ORDER)
            self._console.line(f"Stopped. The data stays in {self._layout.var}.")

    async def _until_forecast(self) -> tuple[announce.Demo, dict[str, Any]]:
        with self._console.step("Checking the surroundings"):
            await asyncio.to_thread(self._look_around)
        with self._console.step("Starting PostgreSQL and Valkey") as step:
            kept, services = await self._start_servers(step)
        environments = environment.build(self._options, services, kept)
        with self._console.step("Bringing the tables up to date") as step:
            await self._migrate(step, environments, services)
        with self._console.step("Starting web, workers, beat and clerk") as step:
            await self._start_application(step, environments, services, kept)
        return await self._forecast(environments)

    def _look_around(self) -> None:
        """End what an earlier start left, and check the surroundings."""
        left = state.end(state.orphans(state.load(self._layout.state_file)))
        if left:
            self._console.line(f"Ended {left} process(es) that an earlier start had left.")
        self._layout.announcement.unlink(missing_ok=True)
        self._state.save()
        preflight.check_all(self._options)

    async def _start_servers(self, step: Step) -> tuple[secrets.Secrets, Services]:
        """Start what is not given from outside, both at the same time."""
        cluster = None if self._options.database_url else postgres.locate(self._layout.database)
        has_data = cluster is not None and postgres.is_initialised(cluster)
        kept = secrets.ensure(self._layout.secrets, data_exists=has_data)
        starting, redis_url = self._broker()
        admin_dsn = self._options.database_url or ""
        if cluster:
            admin_dsn = cluster.dsn(kept.admin_password)
            await asyncio.to_thread(postgres.prepare, cluster, kept.admin_password)
            starting.append(processes.database(cluster, admin_dsn, environment.plain(self._options)))
        await self._start_together(starting, step)
        return kept, await asyncio.to_thread(self._services, kept, admin_dsn, redis_url)

    def _broker(self) -> tuple[list[Process], str]:
        if self._options.redis_url:
            return [], self._options.redis_url
        server = redis.locate(self._layout.redis)
        redis.prepare(server)
        return [processes.broker(server, environment.plain(self._options))], server.url

    def _services(self, kept: secrets.Secrets, admin_dsn: str, redis_url: str) -> Services:
        """Make roles and databases, and find a port for the simulator."""
        try:
            dsns = bootstrap.ensure(
                admin_dsn=admin_dsn,
                database=self._options.database,
                app_password=kept.app_password,
                owner_password=kept.owner_password,
                mlflow_password=kept.mlflow_password,
            )
        except bootstrap.BootstrapError as error:
            raise StartProblem(str(error), "") from error
        stripe = None
        if self._options.stripe_simulated:
            stripe = f"http://127.0.0.1:{_free_port(self._options.port + 1)}"
        return Services(dsns.app, dsns.owner, dsns.mlflow, redis_url, stripe)

    async def _migrate(self, step: Step, environments: Environments, services: Services) -> None:
        """Both databases at the same time, and only what is not known to be up to date."""
        tables = await asyncio.to_thread(marks.of_tables, services.owner_dsn)
        mlflow = marks.of_mlflow(services.mlflow_dsn)
        work = []
        if self._marks.get("tables") != tables:
            work.append(self._manage(environments.manage, "tenants", "migrate", step=step))
        if self._marks.get("mlflow") != mlflow:
            work.append(self._manage(environments.manage, "mlflow_upgrade"))
        await together(*work)
        if work:
            self._marks.keep("tables", await asyncio.to_thread(marks.of_tables, services.owner_dsn))
            self._marks.keep("mlflow", mlflow)

    async def _forecast(self, environments: Environments) -> tuple[announce.Demo, dict[str, Any]]:
        """What an earlier start seeded answers at once; otherwise seed first, which is safe to repeat."""
        known = self._marks.get("demo")
        with self._console.step("Preparing the demo: data, training, key") as step:
            if known and known["url"] == self._options.url:
                demo = announce.Demo.parse(known["demo"])
                with contextlib.suppress(StartProblem):
                    return demo, await self._ask(demo)
            seeded = await self._manage(environments.manage, "seed_demo", step=step)
            self._marks.keep("demo", {"url": self._options.url, "demo": seeded})
        with self._console.step("Asking the API for a forecast"):
            demo = announce.Demo.parse(seeded)
            return demo, await self._ask(demo)

    async def _ask(self, demo: announce.Demo) -> dict[str, Any]:
        return await asyncio.to_thread(announce.ask, self._options.url, demo)

    async def _start_application(
        self, step: Step, environments: Environments, services: Services, kept: secrets.Secrets
    ) -> None:
        answered = asyncio.Event()
        starting = [
            processes.web(self._options, environments),
            processes.worker("worker-training", dict(environments.training), _is_set(answered)),
            processes.worker("worker-interactive", dict(environments.interactive), _is_set(answered)),
            processes.beat(environments),
            processes.clerk(environments),
        ]
        if services.stripe_url:
            plain = dict(environments.plain)
            starting.append(processes.stripe_simulator(self._options, services.stripe_url, kept, plain))
        await together(self._start_together(starting, step), self._workers_answer(environments, answered))

    async def _workers_answer(self, environments: Environments, answered: asyncio.Event) -> None:
        command = [sys.executable, "-m", "deploy.local.ping", *processes.all_queues()]
        await run_command("ping", command, environments.beat, self._layout.logs)
        answered.set()

    async def _start_together(self, starting: Sequence[Process], step: Step) -> None:
        async def one(process: Process) -> None:
            await self._supervisor.start(process)
            step.progress(f"{process.name} is up")

        await together(*(one(process) for process in starting))

    async def _manage(
        self, variables: Mapping[str, str], *words: str, step: Step | None = None
    ) -> dict[str, Any]:
        command = [sys.executable, str(REPOSITORY / "manage.py"), *words]
        return await run_command("-".join(words), command, variables, self._layout.logs, step)


def _is_set(event: asyncio.Event) -> Probe:
    async def probe() -> bool:
        return event.is_set()

    return probe


def _free_port(preferred: int) -> int:
    """The port if nobody has it, else one that the system picks."""
    for candidate in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            port: int = probe.getsockname()[1]
            return port
    raise StartProblem("No port is free for the Stripe simulator.", "Set STRIPE_API_KEY, or free some ports.")


def up(options: Options) -> int:
    """Start and supervise; returns the exit code."""
    preflight.check_folder(options.layout.var)
    preflight.check_no_restore(options.layout.var)
    options.layout.create()
    with only_one(options.layout):
        return asyncio.run(_until_stopped(Start(options, Console(STEPS))))


async def _until_stopped(start: Start) -> int:
    """Run until Ctrl-C or a signal; a failed start raises its StartProblem once everything is stopped."""
    main = asyncio.create_task(start.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _stop_once, main)
    try:
        await main
    except asyncio.CancelledError:
        return 0
    return 0


def _stop_once(main: asyncio.Task[None]) -> None:
    """Begin to stop; a second Ctrl-C does not interrupt the stopping."""
    if not main.cancelling():
        main.cancel()
