"""Members of acme in their browsers, and files to upload."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from apps.datasets import services
from apps.datasets.models import Upload
from apps.datasets.sandbox import child, runner
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.datasets.csv_files import daily

PASSWORD = "correct-horse-battery"


@pytest.fixture
def member(acme: TenantKey) -> Callable[[Role], Browser]:
    """A browser in which a member of acme with that role is logged in."""

    def log_in(role: Role) -> Browser:
        user = User(email=f"{role}@acme.example")
        user.set_password(PASSWORD)
        user.save()
        Membership.objects.create(tenant_id=acme.id, user=user, role=role)
        browser = Browser()
        browser.log_in(user.email, PASSWORD)
        return browser

    return log_in


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in this process: the limits of the child have their own tests, and starting one costs a second."""

    def run(task: str, request: dict[str, Any], limits: object = None) -> Any:
        return json.loads(json.dumps(child.answer(task, json.loads(json.dumps(request)))))

    monkeypatch.setattr(runner, "run", run)


@pytest.fixture
def in_acme(acme: TenantKey) -> Iterator[TenantKey]:
    """The test runs inside acme's scope."""
    with tenant_scope(acme):
        yield acme


@pytest.fixture
def upload(in_acme: TenantKey) -> Callable[..., Upload]:
    """Uploads text as a file."""

    def send(text: str | None = None, filename: str = "sales.csv") -> Upload:
        data: Any = io.BytesIO((daily() if text is None else text).encode())
        return services.receive_upload(filename=filename, stream=data)

    return send


class Recording:
    """A progress reporter that writes down what it is told; its lease always holds."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def __call__(self, stage: str, percent: float) -> None:
        self.stages.append(stage)

    def hold(self) -> None:
        """Nobody else has the job."""


@pytest.fixture
def recording() -> Recording:
    """What services report to."""
    return Recording()
