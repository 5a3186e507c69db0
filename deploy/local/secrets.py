"""Secrets of the local stack: made once into private files, and never changed or lost by a later start."""

from __future__ import annotations

import base64
import os
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from deploy.local.problems import StartProblem

BASE62 = string.digits + string.ascii_letters
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # no letters that look like digits


@dataclass(frozen=True)
class Secrets:
    """The text of each secret; the field's name is the file's name."""

    secret_key: str
    api_key_peppers: str
    secrets_keys: str
    admin_password: str
    app_password: str
    owner_password: str
    mlflow_password: str
    demo_password: str
    operator_password: str
    demo_api_key_secret: str
    stripe_webhook_secret: str
    audit_signing_key: str


def _password() -> str:
    return secrets.token_urlsafe(24)


def _readable() -> str:
    groups = ("".join(secrets.choice(READABLE) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


MAKERS: dict[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(48),
    "api_key_peppers": lambda: f"1:{secrets.token_hex(32)}",
    "secrets_keys": lambda: f"1:{secrets.token_hex(32)}",
    "admin_password": _password,
    "app_password": _password,
    "owner_password": _password,
    "mlflow_password": _password,
    "demo_password": _readable,
    "operator_password": _readable,
    "demo_api_key_secret": lambda: "".join(secrets.choice(BASE62) for _ in range(32)),
    "stripe_webhook_secret": lambda: f"whsec_{secrets.token_hex(24)}",
    "audit_signing_key": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
}


def ensure(folder: Path, *, data_exists: bool = False) -> Secrets:
    """Read every secret of the folder, making those that are missing.

    Raises when there is data already but not one secret: new ones would lock everybody out.
    """
    if data_exists and not any((folder / field.name).exists() for field in fields(Secrets)):
        raise StartProblem(
            f"There is data, but the secrets in {folder} are gone.",
            "Restore that folder from your backup, or run `make reset` to begin anew.",
        )
    return Secrets(**{name: _read_or_make(folder / name, make) for name, make in MAKERS.items()})


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return _write(path, make())
    except OSError as error:
        raise StartProblem(f"{path} cannot be read: {error.strerror}.", "Start as its owner.") from error
    if not text:
        raise StartProblem(
            f"{path} is empty.", "Restore it from your backup, or run `make reset` to begin anew."
        )
    return text


def _write(path: Path, text: str) -> str:
    """Write so that after a power cut the file is either absent or whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    return text
