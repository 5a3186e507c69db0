"""What can go wrong with models that tenants bring."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class ModelRefused(AppError):
    """The file, its name or its signature does not do; nothing was registered."""

    kind = Kind.UNPROCESSABLE
    code = "model_refused"
    title = "The model is refused"
    template = "{first}"


class ModelFileTooLarge(AppError):
    """The file has more bytes than one model may."""

    kind = Kind.TOO_LARGE
    code = "model_file_too_large"
    title = "The model's file is too large"
    template = (
        "A model may have at most {limit_bytes} bytes. Leave out what training needs alone, or quantise it."
    )


class HostedNameTaken(AppError):
    """A model of another sort (``trained`` or ``hosted``) has the name."""

    kind = Kind.CONFLICT
    code = "model_name_taken"
    title = "That model name is taken"
    template = "A {sort} model is called {name!r}. Choose another name."


class HostedVersionServes(AppError):
    """The version is the champion."""

    kind = Kind.CONFLICT
    code = "version_serves"
    title = "That version answers"
    template = "Version {version} answers for {model!r} and cannot be {wish}. Promote another version first."


class HostedVersionArchived(AppError):
    """The version was set aside."""

    kind = Kind.CONFLICT
    code = "version_archived"
    title = "That version is archived"
    template = "Version {version} of {model!r} is archived. Take it back out of the archive first."


class InvalidInstances(AppError):
    """What a model is asked does not fit its signature."""

    kind = Kind.UNPROCESSABLE
    code = "invalid_instances"
    title = "The instances do not fit the model"
    template = "{count} faults; the first: {first}"


class ModelFailed(AppError):
    """The model read the rows, and gave no answer that can be passed on."""

    kind = Kind.UNPROCESSABLE
    code = "model_failed"
    title = "The model gave no usable answer"
    template = "Version {version} of {model!r}: {reason}"


class ModelTooSlow(AppError):
    """The model computed for longer than one request may, and was ended."""

    kind = Kind.UNPROCESSABLE
    code = "model_too_slow"
    title = "The model took too long"
    template = "Version {version} of {model!r} gave no answer within {seconds} s and was ended. Send fewer rows at a time."


class ModelHostCrashed(AppError):
    """The model's process ended while it computed."""

    kind = Kind.UNPROCESSABLE
    code = "model_host_crashed"
    title = "The model's process crashed"
    template = (
        "The process that ran version {version} of {model!r} ended ({how}). It is started again; if it happens with the same"
        " rows, the model is at fault: promote another version."
    )


class ModelHostBusy(AppError):
    """The tenant's model host has more to do than it can, or is being started again."""

    kind = Kind.UNAVAILABLE
    code = "model_host_busy"
    title = "The model host is busy"
    template = "Your model host is busy or starting again. Try again in {seconds} s."
    retryable = True
