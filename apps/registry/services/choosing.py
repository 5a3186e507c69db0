"""Choosing what answers: each is one move of aliases on the model's locked row, which MLflow follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.utils import timezone

from apps.core import request_context
from apps.core.errors import FieldError, Forbidden
from apps.registry import queries
from apps.registry.errors import (
    ChampionChanged,
    GateRefused,
    NoPreviousVersion,
    OverrideTooShort,
    VersionArchived,
    VersionServes,
)
from apps.registry.models import Alias, Model, ModelVersion
from apps.registry.services.telling import locked, mirror_later, tell

OVERRIDE: Final = "models:override"
MIN_REASON: Final = 10
MAX_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Override:
    """Why a version that the gate refused is to answer all the same, and whether whoever says so may decide that."""

    reason: str
    permitted: bool


def promote(
    *, model_name: str, ref: str, expected_champion: str | None = None, override: Override | None = None
) -> ModelVersion:
    """Have the version ``ref`` answer from now on; nothing where it does already.

    ``expected_champion`` is what the caller believes to answer. Raises ``NotFound``, ``VersionArchived``,
    ``ChampionChanged`` where somebody was faster, and for a version that the gate refused ``GateRefused`` without an
    ``override``, ``OverrideTooShort`` and ``Forbidden`` with one that does not do.
    """
    with transaction.atomic():
        model = locked(model_name)
        version = queries.resolve(name=model_name, ref=ref)
        _check_expected(model, expected_champion)
        if version.archived_at is not None:
            raise VersionArchived(model=model.name, version=version.semver)
        if version.is_refused:
            _overrule(version, override)
        if version.id != model.champion_id:
            crown(model, version)
    return version


def _overrule(version: ModelVersion, override: Override | None) -> None:
    """Note on the version, and in the log, that it may answer although the gate refused it."""
    if override is None:
        raise GateRefused(
            model=version.model.name, version=version.semver, why=version.verdict.get("why", "")
        )
    if not override.permitted:
        raise Forbidden(permission=OVERRIDE)
    reason = " ".join(override.reason.split())
    if len(reason) < MIN_REASON:
        detail = f"Say in at least {MIN_REASON} characters why."
        raise OverrideTooShort(least=MIN_REASON, errors=[FieldError("too_short", detail, "/override_reason")])
    actor = request_context.current().actor
    told = {
        "reason": reason[:MAX_REASON],
        "by": actor.id,
        "by_type": actor.type,
        "at": timezone.now().isoformat(),
    }
    version.verdict = {**version.verdict, "override": told}
    version.save(update_fields=["verdict"])
    tell("gate_overridden", version.model, version, reason=told["reason"], why=version.verdict.get("why", ""))


def roll_back(*, model_name: str, expected_champion: str | None = None) -> ModelVersion:
    """Have the version that answered before answer again; the champion becomes the previous one.

    Raises ``NotFound``, ``NoPreviousVersion`` and ``ChampionChanged``.
    """
    with transaction.atomic():
        model = locked(model_name)
        _check_expected(model, expected_champion)
        if model.previous is None:
            raise NoPreviousVersion(model=model.name)
        version, before = model.previous, model.champion
        name(model, {Alias.CHAMPION: version, Alias.PREVIOUS: before})
        tell("rolled_back", model, version, before=before.number if before else None, after=version.number)
    return version


def archive(*, model_name: str, ref: str) -> ModelVersion:
    """Set a version aside: it stays readable, is nobody's alias, and cannot be promoted. Raises ``NotFound``, ``VersionServes``."""
    with transaction.atomic():
        model = locked(model_name)
        version = queries.resolve(name=model_name, ref=ref)
        if version.id == model.champion_id:
            raise VersionServes(model=model.name, version=version.semver, wish="archived")
        if version.archived_at is None:
            version.archived_at = timezone.now()
            version.save(update_fields=["archived_at"])
            name(model, dict.fromkeys(map(Alias, model.aliases_of(version))))
            tell("archived", model, version)
    return version


def unarchive(*, model_name: str, ref: str) -> ModelVersion:
    """Bring an archived version back among those that can be promoted; raises ``NotFound``."""
    with transaction.atomic():
        model = locked(model_name)
        version = queries.resolve(name=model_name, ref=ref)
        if version.archived_at is not None:
            version.archived_at = None
            version.save(update_fields=["archived_at"])
            tell("unarchived", model, version)
    return version


def crown(model: Model, version: ModelVersion) -> None:
    """Make ``version`` the champion of the locked ``model``, and what was the previous one."""
    before = model.champion
    moves: dict[Alias, ModelVersion | None] = {Alias.CHAMPION: version, Alias.PREVIOUS: before}
    if model.challenger_id == version.id:
        moves[Alias.CHALLENGER] = None
    name(model, moves)
    tell("promoted", model, version, before=before.number if before else None, after=version.number)


def name(model: Model, moves: Mapping[Alias, ModelVersion | None]) -> None:
    """Point aliases of the locked ``model``, and have MLflow follow."""
    for alias, version in moves.items():
        setattr(model, alias, version)
    model.save(update_fields=[str(alias) for alias in moves])
    mirror_later(model)


def _check_expected(model: Model, expected: str | None) -> None:
    if expected is None:
        return
    champion = model.champion
    if champion is None or expected.removeprefix("v") not in (str(champion.number), champion.semver):
        now = champion.semver if champion else "none"
        raise ChampionChanged(model=model.name, expected=expected[:40], champion=now)
