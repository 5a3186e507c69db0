"""Taking a model in: received, tried in the sandbox, and registered only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction

from apps.core import request_context, scope, storage
from apps.core.errors import FieldError
from apps.core.storage import digest
from apps.datasets.services import files
from apps.hosting import queries
from apps.hosting.admission import MAX_BYTES
from apps.hosting.errors import HostedNameTaken, ModelFileTooLarge, ModelHostBusy, ModelRefused
from apps.hosting.models import HostedModel, HostedVersion
from apps.hosting.sandbox import checks
from apps.hosting.sandbox.faults import Fault
from apps.hosting.sandbox.pool import Busy
from apps.hosting.services import choosing
from apps.hosting.services.telling import locked, tell
from apps.hosting.signature import Signature, faults_of
from apps.registry import queries as registry
from tenants.backups import contents as backups

FOLDER: Final = "hosted"
SUFFIXES: Final = {"onnx": ".onnx", "lightgbm": ".txt", "xgboost": ".xgb"}
MAX_NAME: Final = 80
CHUNK_BYTES: Final = 1 << 20


def bring(*, name: str, signature: object, stream: BinaryIO) -> HostedVersion:
    """Register the file as the newest version of ``name``; the first one of a model answers at once.

    Raises ``ModelRefused`` (with pointers), ``HostedNameTaken``, ``ModelFileTooLarge`` and ``ModelHostBusy``; nothing is
    kept then.
    """
    checked = _checked(name, signature)
    with files.temporary(".model") as path:
        size = _receive(stream, path)
        sha256 = digest(path)
        report = _try(path, sha256, checked)
        return _register(name, checked, report, path, size)


def _checked(name: str, signature: object) -> Signature:
    faults = [*_faults_of_name(name), *faults_of(_parsed(signature))]
    if faults:
        raise ModelRefused(first=faults[0].detail, errors=faults)
    if registry.list_models().filter(name=name).exists():
        raise HostedNameTaken(name=name, sort="trained")
    return Signature.from_json(_parsed(signature))


def _faults_of_name(name: str) -> list[FieldError]:
    try:
        validate_slug(name)
    except ValidationError:
        name = ""
    if 1 <= len(name) <= MAX_NAME:
        return []
    detail = f"A name has 1 to {MAX_NAME} letters, digits, hyphens and underscores."
    return [FieldError("not_a_name", detail, "/name")]


def _parsed(signature: object) -> Any:
    """A form's field is text; what is no JSON stays text, and is refused as no object."""
    if not isinstance(signature, str):
        return signature
    try:
        return json.loads(signature)
    except (ValueError, RecursionError):
        return signature


def _receive(stream: BinaryIO, path: Path) -> int:
    size = 0
    with path.open("wb") as out:
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_BYTES:
                raise ModelFileTooLarge(limit_bytes=MAX_BYTES)
            out.write(chunk)
    return size


def _try(path: Path, sha256: str, signature: Signature) -> dict[str, Any]:
    try:
        return checks.check(path, sha256, signature.as_json())
    except Fault as fault:
        errors = [FieldError(fault.code, fault.detail, "/file")]
        raise ModelRefused(first=fault.detail, errors=errors) from fault
    except Busy as busy:
        raise ModelHostBusy(seconds=busy.whole_seconds, retry_after_seconds=busy.whole_seconds) from busy


def _register(
    name: str, signature: Signature, report: dict[str, Any], path: Path, size: int
) -> HostedVersion:
    with transaction.atomic():
        backups.hold_files()
        suffix = SUFFIXES[report["format"]]
        sha256, stored = storage.write_content(scope.current_tenant(), FOLDER, path, suffix)
        HostedModel.objects.get_or_create(name=name)
        model = locked(name)
        model.last_number += 1
        model.save(update_fields=["last_number"])
        version = HostedVersion.objects.create(
            model=model,
            number=model.last_number,
            format=report["format"],
            sha256=sha256,
            path=stored,
            bytes=size,
            signature_json=signature.as_json(),
            report=report,
            created_by=request_context.current().actor.label[:120],
        )
        tell("registered", model, version)
        if model.champion is None:
            choosing.crown(model, version)
    return queries.get_version(model=model, number=version.number)
