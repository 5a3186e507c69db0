"""What can go wrong with models."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class ModelNameTaken(AppError):
    """The name belongs to a model of another data set."""

    kind = Kind.CONFLICT
    code = "model_name_taken"
    title = "That model name is taken"
    template = "The model {name!r} forecasts the data set {dataset!r}. Choose another name."


class ChampionChanged(AppError):
    """Somebody else chose another champion since the caller looked."""

    kind = Kind.CONFLICT
    code = "champion_changed"
    title = "Another version answers by now"
    template = "The champion of {model!r} is version {champion}, not {expected!r}. Look again, then choose."


class NoPreviousVersion(AppError):
    """There is nothing to roll back to."""

    kind = Kind.CONFLICT
    code = "no_previous_version"
    title = "No version answered before"
    template = "No other version of {model!r} answered before this one, so there is nothing to roll back to. Promote a version instead."


class VersionServes(AppError):
    """The version is the champion."""

    kind = Kind.CONFLICT
    code = "version_serves"
    title = "That version answers"
    template = "Version {version} answers for {model!r} and cannot be {wish}. Promote another version first."


class VersionArchived(AppError):
    """The version was set aside."""

    kind = Kind.CONFLICT
    code = "version_archived"
    title = "That version is archived"
    template = "Version {version} of {model!r} is archived. Take it back out of the archive first."


class BackupUnderWay(AppError):
    """Stored files are being copied."""

    kind = Kind.CONFLICT
    code = "backup_under_way"
    title = "A backup is being taken"
    template = "A backup is being taken, so the files of {model} stay for now. Try again in a minute."
    retryable = True


class GateRefused(AppError):
    """The publish gate keeps the version from answering."""

    kind = Kind.CONFLICT
    code = "gate_refused"
    title = "The publish gate refused that version"
    template = "Version {version} of {model!r} may not answer: {why} An owner may promote it all the same, and must say why."


class OverrideTooShort(AppError):
    """The gate was overruled without a reason."""

    kind = Kind.UNPROCESSABLE
    code = "override_too_short"
    title = "Say why"
    template = "Overruling the publish gate needs a reason of at least {least} characters; it is kept in the audit log."
