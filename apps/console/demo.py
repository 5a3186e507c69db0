"""The demo tenant acme: owner, operator, two data sets, a trained model, a key. Each step finds what is there already."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from django.conf import settings

from apps.accounts import queries as accounts
from apps.accounts import services as people
from apps.api_keys import services as api_keys
from apps.datasets import queries as datasets
from apps.datasets import services as data
from apps.jobs import dispatch
from apps.jobs import queries as jobs
from apps.jobs.models import JobState
from apps.registry import queries as registry
from apps.training import queries as runs
from apps.training import services as training
from tenants import provisioning
from tenants import queries as tenants
from tenants.context import tenant_scope
from tenants.models import Tenant

Report = Callable[[str, float], None]
SLUG = "acme"
EMAIL = "alice@acme.example"
OPERATOR = "operator@almanac.example"
MODEL_OF = "employment"
DATASETS = ("employment", "corner-shop")
SCOPES = (
    "forecasts:run",
    "forecasts:read",
    "explain:run",
    "models:read",
    "models:train",
    "datasets:read",
    "datasets:write",
    "jobs:read",
    "jobs:manage",
    "usage:read",
)
PATIENCE_SECONDS = 600


class DemoFailed(Exception):
    """The demo's training did not come to a model; the message says why."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo's user needs to know."""

    tenant: str
    email: str
    password: str
    api_key: str
    dataset: str
    model: str
    series: str
    dashboard_url: str
    operator_email: str
    operator_password: str

    def as_json(self) -> dict[str, str]:
        """Plain values."""
        return asdict(self)


def seed(*, password: str, operator_password: str, key_seed: str, report: Report) -> Demo:
    """Make whatever of the demo is missing, and wait until a worker has trained its model."""
    report("people", 5)
    tenant = _tenant(password)
    if accounts.find_user(email=OPERATOR) is None:
        people.create_operator(email=OPERATOR, password=operator_password)
    with tenant_scope(tenant.key):
        slugs = []
        for number, name in enumerate(DATASETS):
            report(f"loading {name}", 15 + 15 * number)
            slugs.append(data.load_demo(name=name).slug)
        series = _train(slugs[0], report)
        report("key", 98)
        key = api_keys.ensure_derived(name="Demo key", scopes=SCOPES, seed=key_seed)
    return Demo(
        tenant=SLUG,
        email=EMAIL,
        password=password,
        api_key=key,
        dataset=slugs[0],
        model=slugs[0],
        series=series,
        dashboard_url=f"{settings.SCHEME}://{SLUG}.{settings.BASE_DOMAIN}:{settings.PUBLIC_PORT}/",
        operator_email=OPERATOR,
        operator_password=operator_password,
    )


def _tenant(password: str) -> Tenant:
    found = tenants.find_by_slug(slug=SLUG)
    if found is not None:
        return found
    provisioning.refill(size=1)
    _user, tenant = people.create_owner(company="Acme", address=SLUG, email=EMAIL, password=password)
    return tenant


def _train(slug: str, report: Report) -> str:
    """Train the data set's model unless it is there; returns the id of one of its series."""
    version = registry.find_champion(name=slug)
    if version is None:
        _wait(slug, report)
    dataset = datasets.get_dataset(slug=slug)
    return str(datasets.get_current_version(dataset=dataset).samples[0]["series_id"])


def _wait(slug: str, report: Report) -> None:
    """Watch the job as a person would; a run that was queued before a crash goes on."""
    run = runs.list_runs().filter(model_name=slug, finished_at=None).first()
    if run is None or jobs.get_job(job_id=run.job_id).is_final:
        season = datasets.get_current_version(dataset=datasets.get_dataset(slug=slug)).season_length or 1
        run = training.start(dataset_slug=slug, horizon=training.default_horizon(season_length=season))
    dispatch.dispatch_quietly()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        job = jobs.get_job(job_id=run.job_id)
        report(f"training: {job.stage or job.state}", 45 + 0.5 * job.percent)
        if job.state == JobState.SUCCEEDED:
            return
        if job.is_final:
            raise DemoFailed(
                f"The training ended as {job.state}: {(job.error or {}).get('detail', 'no reason was given')}"
            )
        time.sleep(0.3)
    raise DemoFailed(
        f"The training did not end within {PATIENCE_SECONDS} s; see var/log/worker-training.log."
    )


__all__ = ["Demo", "DemoFailed", "seed"]
