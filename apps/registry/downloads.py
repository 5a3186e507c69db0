"""A version's bundle as a file to take away."""

from __future__ import annotations

from django.http import FileResponse

from apps.core import scope, storage
from apps.registry.models import ModelVersion


def bundle(version: ModelVersion) -> FileResponse:
    """The stored bundle, checked, as a stream. Raises ``StorageCorrupted``."""
    key = scope.current_tenant()
    with storage.local_copy(key, version.bundle_path, version.bundle_sha256) as path:
        stream = path.open("rb")  # which stays readable when the copy goes
    name = f"{version.model.name}-{version.semver}.alm"
    answer = FileResponse(stream, as_attachment=True, filename=name, content_type="application/octet-stream")
    answer["X-Content-SHA256"] = version.bundle_sha256
    answer["ETag"] = f'"{version.bundle_sha256}"'
    answer["Cache-Control"] = "private, no-cache"
    return answer
