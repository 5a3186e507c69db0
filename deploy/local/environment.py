"""The environment of each process: everyone gets what it needs, and no secret it does not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from psycopg import conninfo

from deploy.local.layout import REPOSITORY
from deploy.local.options import Options
from deploy.local.secrets import Secrets

STORE_KEYS = (
    "ALMANAC_S3_ACCESS_KEY_ID",
    "ALMANAC_S3_ACCESS_KEY_ID_FILE",
    "ALMANAC_S3_SECRET_ACCESS_KEY",
    "ALMANAC_S3_SECRET_ACCESS_KEY_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
PRIVATE = {
    "DATABASE_URL",
    "ALMANAC_OWNER_DSN",
    "MLFLOW_TRACKING_URI",
    "STRIPE_API_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "ALMANAC_EMAIL_URL",
    "ALMANAC_AUDIT_SIGNING_KEY",
    *STORE_KEYS,
}


@dataclass(frozen=True)
class Environments:
    """Environments by kind of process."""

    web: Mapping[str, str]
    training: Mapping[str, str]
    interactive: Mapping[str, str]
    beat: Mapping[str, str]
    clerk: Mapping[str, str]
    manage: Mapping[str, str]
    plain: Mapping[str, str]


@dataclass(frozen=True)
class Services:
    """Where the database (three logins), Redis and Stripe are."""

    app_dsn: str
    owner_dsn: str
    mlflow_dsn: str
    redis_url: str
    stripe_url: str | None


def plain(options: Options) -> dict[str, str]:
    """What every process gets: ours without the private variables."""
    inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
    return inherited | {
        "ALMANAC_VAR": str(options.layout.var),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # glibc's arena for each thread would double the memory of the web process
    }


def build(options: Options, services: Services, secrets: Secrets) -> Environments:
    """The environments of all processes."""
    common = plain(options) | _django(options, services)
    stripe = _stripe(options, services, secrets)
    owner = {"ALMANAC_OWNER_DSN": services.owner_dsn}
    store = _given(*STORE_KEYS)
    mlflow = {
        "MLFLOW_TRACKING_URI": sqlalchemy_uri(services.mlflow_dsn),
        "MLFLOW_ARTIFACT_ROOT": str(options.layout.artifacts),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    clerk = _given("ALMANAC_EMAIL_URL", "ALMANAC_AUDIT_SIGNING_KEY") | {
        "ALMANAC_AUDIT_SIGNING_KEY_FILE": _file(options, "ALMANAC_AUDIT_SIGNING_KEY", "audit_signing_key")
    }
    demo = {
        "ALMANAC_DEMO_PASSWORD": secrets.demo_password,
        "ALMANAC_OPERATOR_PASSWORD": secrets.operator_password,
        "ALMANAC_DEMO_API_KEY_SECRET": secrets.demo_api_key_secret,
    }
    return Environments(
        web=common
        | store
        | stripe
        | {"ALMANAC_POOL": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        training=common | store | mlflow,
        interactive=common | store | stripe | mlflow | owner,
        beat=common,
        clerk=common | clerk,
        manage=common | store | stripe | mlflow | owner | clerk | demo,
        plain=plain(options),
    )


def _django(options: Options, services: Services) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings.dev"),
        "HOST": options.host,
        "PORT": str(options.port),
        "ALMANAC_HOSTS": os.environ.get("ALMANAC_HOSTS", options.host),
        "ALMANAC_APP_DSN": services.app_dsn,
        "REDIS_URL": services.redis_url,
        "ALMANAC_SECRET_KEY_FILE": _file(options, "ALMANAC_SECRET_KEY", "secret_key"),
        "ALMANAC_API_KEY_PEPPERS_FILE": _file(options, "ALMANAC_API_KEY_PEPPERS", "api_key_peppers"),
        "ALMANAC_SECRETS_KEYS_FILE": _file(options, "ALMANAC_SECRETS_KEYS", "secrets_keys"),
    }


def _given(*variables: str) -> dict[str, str]:
    """Those of the variables that whoever starts us has set."""
    return {name: os.environ[name] for name in variables if os.environ.get(name)}


def _file(options: Options, variable: str, secret: str) -> str:
    """The file of a secret: the user's, or ours; none when the user set the value itself."""
    if os.environ.get(variable) and not os.environ.get(f"{variable}_FILE"):
        return ""
    return os.environ.get(f"{variable}_FILE") or str(options.layout.secrets / secret)


def _stripe(options: Options, services: Services, secrets: Secrets) -> dict[str, str]:
    if services.stripe_url is None:
        chosen = {
            "STRIPE_API_KEY": options.stripe_api_key,
            "STRIPE_WEBHOOK_SECRET": os.environ.get("STRIPE_WEBHOOK_SECRET"),
        }
        return {name: value for name, value in chosen.items() if value}
    return {
        "STRIPE_API_KEY": "sk_test_simulated",
        "STRIPE_WEBHOOK_SECRET": secrets.stripe_webhook_secret,
        "STRIPE_API_BASE": services.stripe_url,
        "STRIPE_SIMULATED": "1",
    }


def sqlalchemy_uri(dsn: str) -> str:
    """libpq's connection string as SQLAlchemy wants it, socket folders included."""
    parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(dsn).items() if value is not None}
    user, password, database = (
        quote(parts.pop(name, ""), safe="") for name in ("user", "password", "dbname")
    )
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(parts.items()))
    return f"postgresql+psycopg://{user}:{password}@/{database}?{query}"
