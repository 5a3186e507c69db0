"""Training a model again by itself: on new data, once it is quiet, and on a schedule.

Both are schedules of jobs: the one for new data comes once, and each further change puts it off. So nothing is lost with a
process, and ten changes in a row are one training.
"""

from __future__ import annotations

import uuid
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core import request_context
from apps.datasets import queries as datasets
from apps.datasets.models import DatasetVersion
from apps.jobs import Progress, schedules
from apps.registry import queries as registry
from apps.registry.models import ModelVersion
from apps.training import queries, services
from apps.training.asking import Asked
from apps.training.errors import PolicyInvalid
from apps.training.gating import STANDS_IN
from apps.training.models import Origin, TrainingPolicy, TrainingRun

JOB: Final = "training.auto"
PUT_OFF: Final = 6  # times the quiet minutes, at most, that changes can put a training off
SETTINGS: Final = ("on_new_data", "quiet_minutes", "cron", "zone", "policy", "warm_start", "refresh")
# What a run's spec says of that one time alone.
ONCE: Final = ("as_of", "warm_from", "refresh_of")


def set_policy(*, model_name: str, **settings: Any) -> TrainingPolicy:
    """Replace when the model is trained again (``SETTINGS``).

    Raises ``NotFound``, ``PolicyInvalid`` for one that never would, and ``ScheduleInvalid``.
    """
    model = registry.get_model(name=model_name)
    if not settings["on_new_data"] and not settings["cron"]:
        raise PolicyInvalid(
            reason="Say when to train: on new data, on a schedule, or both. To stop it, remove the policy."
        )
    with transaction.atomic():
        before = _settings(queries.find_policy(model_name=model_name))
        policy, _ = TrainingPolicy.objects.update_or_create(
            model_name=model_name,
            defaults={
                **{name: settings[name] for name in SETTINGS},
                "dataset_id": model.dataset_id,
                "created_by": request_context.current().actor.label,
            },
        )
        _schedule(policy)
        audit.record(
            action="training_policy.set",
            target_type="model",
            target_id=model_name,
            changes={"before": before, "after": _settings(policy)},
        )
    return policy


def remove_policy(*, model_name: str) -> None:
    """Train the model by hand only; nothing where that is so. Raises ``NotFound`` where there is no model."""
    registry.get_model(name=model_name)
    with transaction.atomic():
        policy = queries.find_policy(model_name=model_name)
        if policy is None:
            return
        for origin in (Origin.SCHEDULE, Origin.DATA):
            schedules.remove(kind=JOB, key=_key(policy, origin))
        policy.delete()
        audit.record(action="training_policy.removed", target_type="model", target_id=model_name)


def on_new_version(version: DatasetVersion) -> None:
    """Have the models that wait for new data trained once the data set has been quiet; inside the caller's transaction."""
    for policy in TrainingPolicy.objects.filter(dataset_id=version.dataset_id, on_new_data=True):
        _put_off(policy, timezone.now())


def perform(*, policy_id: uuid.UUID, origin: str, progress: Progress) -> dict[str, Any]:
    """Start the training that is due, unless nothing is new; what a worker does."""
    policy = TrainingPolicy.objects.select_related("dataset").filter(id=policy_id).first()
    if policy is None:
        return {"skipped": "the policy was removed"}
    version = datasets.get_current_version(dataset=policy.dataset)
    with transaction.atomic():
        progress.hold()
        if origin == Origin.DATA:
            schedules.remove(kind=JOB, key=_key(policy, Origin.DATA))
            TrainingPolicy.objects.filter(id=policy.id).update(waiting_since=None)
        if TrainingRun.objects.filter(model_name=policy.model_name, dataset_version=version).exists():
            return {"skipped": f"it was trained on version {version.number} of the data before"}
        run = services.start(
            dataset_slug=policy.dataset.slug,
            model_name=policy.model_name,
            origin=origin,
            policy=policy.policy,
            **_wishes(policy),
        )
    return {"training_run": run.public_id}


def _wishes(policy: TrainingPolicy) -> dict[str, Any]:
    """What the model's latest version was asked for, with what the policy adds."""
    version = _latest(policy)
    run = queries.find_run_of_version(version_id=version.id)
    known = {field.name for field in fields(Asked)} - {*ONCE}
    spec = {"horizon": version.horizon_max, "seed": version.seed, **(run.spec if run else version.params)}
    wishes = {name: value for name, value in spec.items() if name in known}
    if "warm_from" in spec:  # its candidates were an earlier version's, not the customer's choice
        wishes.pop("candidates", None)
    if policy.warm_start:
        wishes["warm_from"] = version.params.get(STANDS_IN, version.number)
    if policy.refresh:
        wishes["refresh_of"] = version.number
    return wishes


def _latest(policy: TrainingPolicy) -> ModelVersion:
    model = registry.get_model(name=policy.model_name)
    return registry.list_versions(model=model)[0]


def _schedule(policy: TrainingPolicy) -> None:
    if not policy.cron:
        schedules.remove(kind=JOB, key=_key(policy, Origin.SCHEDULE))
    else:
        _set(policy, Origin.SCHEDULE, policy.cron, policy.zone)
    if not policy.on_new_data:
        schedules.remove(kind=JOB, key=_key(policy, Origin.DATA))


def _put_off(policy: TrainingPolicy, now: datetime) -> None:
    quiet = timedelta(minutes=policy.quiet_minutes)
    since = policy.waiting_since or now
    at = min(now + quiet, since + PUT_OFF * quiet)
    if at <= now:
        return  # it has been put off long enough: the time that was set stays
    TrainingPolicy.objects.filter(id=policy.id).update(waiting_since=since)
    minute = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    _set(policy, Origin.DATA, f"{minute.minute} {minute.hour} {minute.day} {minute.month} *", "UTC")


def _set(policy: TrainingPolicy, origin: Origin, cron: str, zone: str) -> None:
    schedules.set_schedule(
        kind=JOB,
        key=_key(policy, origin),
        payload={"policy_id": str(policy.id), "origin": str(origin)},
        cron=cron,
        zone=zone,
        name=f"Train {policy.model_name} again",
    )


def _key(policy: TrainingPolicy, origin: str) -> str:
    return f"{origin}:{policy.id}"


def _settings(policy: TrainingPolicy | None) -> dict[str, Any] | None:
    return None if policy is None else {name: getattr(policy, name) for name in SETTINGS}
