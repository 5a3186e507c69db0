"""A file at a web address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from apps.core import egress
from apps.datasets.sources.contracts import Fetched, Field, checked, refuse

TITLE = "Web address (HTTPS)"
FIELDS = (
    Field(
        "url",
        "Address",
        "A file in any format that can be uploaded, such as https://example.com/sales.csv.",
        most=2000,
    ),
    Field("bearer", "Bearer token", "Sent as Authorization: Bearer …", required=False, secret=True),
    Field("user", "User", "For HTTP basic authentication.", required=False, secret=True),
    Field("password", "Password", required=False, secret=True),
)


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The address, if its form is one that may be called."""
    values = checked(FIELDS, config)
    try:
        egress.check_url(values["url"])
    except egress.AddressRefused as refused:
        raise refuse("url", refused.detail) from None
    return values


def fetch(
    config: Mapping[str, Any],
    secret: Mapping[str, Any],
    into: Path,
    *,
    limit_bytes: int,
    marker: Mapping[str, Any],
) -> Fetched | None:
    """The file, unless the server says that it is as it was."""
    asked = {**_authorization(secret), **_conditions(marker)}
    got = egress.download(config["url"], into, limit_bytes=limit_bytes, headers=asked)
    if got.not_modified:
        return None
    seen = {name: got.headers[name] for name in ("etag", "last-modified") if name in got.headers}
    return Fetched(into, _filename(config["url"], got.headers), seen)


def _authorization(secret: Mapping[str, Any]) -> dict[str, str]:
    if token := secret.get("bearer"):
        return {"Authorization": f"Bearer {token}"}
    if user := secret.get("user"):
        pair = base64.b64encode(f"{user}:{secret.get('password', '')}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}


def _conditions(marker: Mapping[str, Any]) -> dict[str, str]:
    names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
    return {header: str(marker[name]) for name, header in names.items() if marker.get(name)}


def _filename(url: str, headers: Mapping[str, str]) -> str:
    said = headers.get("content-disposition", "").partition("filename=")[2].strip('"; ')
    return said or PurePosixPath(egress.check_url(url).path).name or "download"
