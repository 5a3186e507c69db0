"""The environment, read in one place: each variable that Almanac knows, typed, with its default."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import conninfo

REPOSITORY = Path(__file__).resolve().parent.parent


def text(name: str, default: str | None = None) -> str:
    """A variable's text; ``NAME_FILE`` names a file that holds it. Raises ``ImproperlyConfigured`` when it must be set."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text().strip()
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(
            f"Set the environment variable {name} (or {name}_FILE): see docs/configuration.md."
        )
    return value


def number(name: str, default: int) -> int:
    """A whole number."""
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def flag(name: str, default: bool = False) -> bool:
    """Truth: 1, true, yes or on."""
    return text(name, str(default)).lower() in ("1", "true", "yes", "on")


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of ``allowed``."""
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def database(dsn: str, engine: str, **options: Any) -> dict[str, Any]:
    """Django's settings for a connection string of libpq (URL or key=value)."""
    parts = {key: value for key, value in conninfo.conninfo_to_dict(dsn).items() if value is not None}
    known = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    values = {name: str(parts.pop(key, "")) for name, key in known.items()}
    return {"ENGINE": engine, **values, "OPTIONS": {**parts, **options}, "CONN_MAX_AGE": 0}


def broker_url(redis_url: str) -> str:
    """kombu's spelling of a Redis URL: a Unix socket is ``redis+socket://``."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database_number = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair).get(
        "db", "0"
    )
    return f"redis+socket://{quote(parts.path)}?virtual_host={database_number}"


def mapping(name: str) -> dict[str, str]:
    """A JSON object of texts; empty where the variable is not set."""
    try:
        value = json.loads(text(name, "{}") or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ImproperlyConfigured(f"{name} must be a JSON object of texts.")
    return value


def public_url(scheme: str, domain: str, port: int) -> str:
    """Where the bare host is reached, without a slash at the end."""
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{domain}" + ("" if port == usual else f":{port}")


def mail(value: str, folder: Path) -> dict[str, Any]:
    """Django's mail settings for ``smtp://user:password@host:587?tls=1`` (or ``ssl=1``), or ``file:///folder``; empty
    means one file a mail in ``folder``."""
    parts = urlsplit(value or folder.as_uri())
    if parts.scheme == "file":
        backend = "django.core.mail.backends.filebased.EmailBackend"
        return {"EMAIL_BACKEND": backend, "EMAIL_FILE_PATH": unquote(parts.path)}
    if parts.scheme != "smtp" or not parts.hostname:
        raise ImproperlyConfigured("ALMANAC_EMAIL_URL must begin with smtp://host or file:///folder.")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or 587,
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": options.get("tls") == "1",
        "EMAIL_USE_SSL": options.get("ssl") == "1",
        "EMAIL_TIMEOUT": int(options.get("timeout", "20")),
    }


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_S3_OPTIONS = ("endpoint_url", "region", "addressing_style")


def storage(name: str, folder: Path) -> dict[str, Any]:
    """Django's storage of the tenants' files for ``s3://bucket/prefix?endpoint_url=…&region=…``; where the variable is
    empty, ``folder``. Nothing is imported or asked yet."""
    value = text(name, "")
    if not value:
        return {"BACKEND": "apps.core.storage.local.LocalStorage", "OPTIONS": {"location": folder}}
    parts, options = urlsplit(value), dict(parse_qsl(urlsplit(value).query, keep_blank_values=True))
    prefix = unquote(parts.path).strip("/")
    if fault := _storage_fault(parts, prefix, options):
        raise ImproperlyConfigured(f"{name}: {fault}")
    style = options.get("addressing_style", "path" if "endpoint_url" in options else "auto")
    return {
        "BACKEND": "apps.core.storage.s3.BucketStorage",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": prefix,
            "endpoint_url": options.get("endpoint_url"),
            "region_name": options.get("region"),
            "addressing_style": style,
            "signature_version": "s3v4",
            "default_acl": None,
            "querystring_auth": True,
            "file_overwrite": True,  # names say the content: another name for the same one would be lost
            **_s3_credentials(),
        },
    }


def _storage_fault(parts: SplitResult, prefix: str, options: dict[str, str]) -> str | None:
    endpoint = urlsplit(options.get("endpoint_url", "http://x"))
    unknown = sorted(options.keys() - set(_S3_OPTIONS))
    faults = {
        "it must begin with s3://bucket; without it, files are kept in ALMANAC_VAR/storage.": parts.scheme
        != "s3",
        "keys do not belong into it: set ALMANAC_S3_ACCESS_KEY_ID and ALMANAC_S3_SECRET_ACCESS_KEY.": "@"
        in parts.netloc,
        f"{parts.netloc!r} is no bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens.": not (
            _BUCKET.fullmatch(parts.netloc)
        ),
        f"{prefix!r} is no prefix: write it as folder/folder.": parts.fragment
        or any(step in ("", ".", "..") for step in prefix.split("/") if prefix),
        f"it has the unknown option {unknown[:1]}; known are {', '.join(_S3_OPTIONS)}.": unknown,
        "endpoint_url must be an address such as https://minio.example.com:9000.": not endpoint.hostname
        or endpoint.scheme not in ("http", "https"),
        "addressing_style must be auto, path or virtual.": options.get("addressing_style", "auto")
        not in ("auto", "path", "virtual"),
    }
    return next((fault for fault, is_so in faults.items() if is_so), None)


def _s3_credentials() -> dict[str, Any]:
    """Ours where they are set; else boto3 looks where it always does: environment, profile, the machine's role."""
    key, secret = text("ALMANAC_S3_ACCESS_KEY_ID", ""), text("ALMANAC_S3_SECRET_ACCESS_KEY", "")
    if bool(key) != bool(secret):
        raise ImproperlyConfigured(
            "Set both ALMANAC_S3_ACCESS_KEY_ID and ALMANAC_S3_SECRET_ACCESS_KEY, or neither."
        )
    return {"access_key": key, "secret_key": secret, "security_token": None} if key else {}


def peppers(value: str) -> dict[int, bytes]:
    """``1:hex,2:hex`` → version to bytes, the newest last."""
    pairs = [item.partition(":") for item in value.split(",") if item]
    return {int(version): bytes.fromhex(secret) for version, _, secret in pairs}


def secrets_keys(name: str) -> dict[int, bytes]:
    """``1:hex,2:hex`` → version to 32 bytes each; raises ``ImproperlyConfigured``."""
    try:
        keys = peppers(text(name))
    except ValueError:
        keys = {}
    if not keys or any(len(key) != 32 for key in keys.values()):
        raise ImproperlyConfigured(f"{name} must be 1:<64 hex digits>[,2:<64 hex digits>].")
    return keys


def signing_key(name: str) -> bytes:
    """32 bytes as base64; empty where the variable is not set."""
    try:
        value = base64.b64decode(text(name, ""), validate=True)
    except ValueError:
        value = b"?"
    if len(value) not in (0, 32):
        raise ImproperlyConfigured(f"{name} must be 32 bytes as base64.")
    return value
