"""The embedded PostgreSQL for the length of a `with` block, with the stack or without it: what commands stand on."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local import environment, logs, postgres, redis, secrets, state
from deploy.local.commands import bound
from deploy.local.environment import Environments, Services
from deploy.local.options import Options
from deploy.local.up import only_one
from tenants import bootstrap


def is_running(options: Options) -> bool:
    """Whether `make up` has this state folder's stack running."""
    supervisor = state.load(options.layout.state_file).supervisor
    return supervisor is not None and supervisor.find() is not None


@contextmanager
def servers(options: Options, *, locked: bool = False) -> Iterator[Environments]:
    """The environments of the processes, with a database that answers: the stack's, or one started for the block.

    Valkey is not started: nothing that runs here needs it. ``locked``: the caller holds the state folder already.
    """
    kept = secrets.ensure(options.layout.secrets, data_exists=_has_data(options))
    if is_running(options):
        yield _environments(options, kept)
        return
    with contextlib.nullcontext() if locked else only_one(options.layout):
        state.end(state.orphans(state.load(options.layout.state_file)))
        if options.database_url:
            yield _environments(options, kept)
            return
        cluster = postgres.locate(options.layout.database)
        postgres.prepare(cluster, kept.admin_password)
        with _running(options, cluster, cluster.dsn(kept.admin_password)):
            yield _environments(options, kept)


def _has_data(options: Options) -> bool:
    return not options.database_url and postgres.is_initialised(postgres.locate(options.layout.database))


@contextmanager
def _running(options: Options, cluster: postgres.Cluster, dsn: str) -> Iterator[None]:
    with logs.log_path(options.layout.logs, "postgres").open("ab") as output:
        process = subprocess.Popen(
            bound(cluster.command(), cluster.account, postgres.DEATH_SIGNAL),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the command; the server is stopped after it
        )
    try:
        postgres.wait_until_ready(dsn, process)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _environments(options: Options, kept: secrets.Secrets) -> Environments:
    """Makes roles and databases where they are missing, which is what a restore begins with."""
    admin_dsn = options.database_url or postgres.locate(options.layout.database).dsn(kept.admin_password)
    dsns = bootstrap.ensure(
        admin_dsn=admin_dsn,
        database=options.database,
        app_password=kept.app_password,
        owner_password=kept.owner_password,
        mlflow_password=kept.mlflow_password,
    )
    redis_url = options.redis_url or redis.locate(options.layout.redis).url
    services = Services(dsns.app, dsns.owner, dsns.mlflow, redis_url, None)
    return environment.build(options, services, kept)
