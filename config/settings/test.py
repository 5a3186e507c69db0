"""Settings of the tests: real servers in a temporary folder, one database per test process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# The first process makes the folder; those that it starts inherit it.
if "ALMANAC_TEST_DIR" not in os.environ:
    os.environ["ALMANAC_TEST_DIR"] = tempfile.mkdtemp(prefix="alm-test-")
    # As root, PostgreSQL runs as another user, who must be able to pass through.
    os.chmod(os.environ["ALMANAC_TEST_DIR"], 0o711)  # noqa: S103
TEST_DIR = Path(os.environ["ALMANAC_TEST_DIR"])
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
DATABASE = f"almanac_{WORKER}"
POSTGRES_SOCKETS = TEST_DIR / "postgres" / "run"
VALKEY_SOCKET = TEST_DIR / "valkey" / "run" / "valkey.sock"
REDIS_NUMBER = 0 if WORKER == "main" else int(WORKER.removeprefix("gw")) + 1

os.environ.update(
    ALMANAC_VAR=str(TEST_DIR / WORKER),
    ALMANAC_SECRET_KEY="test-only-secret-key-that-protects-nothing",  # noqa: S106
    ALMANAC_API_KEY_PEPPERS="1:" + "00" * 32,
    ALMANAC_SECRETS_KEYS="1:" + "11" * 32,
    ALMANAC_AUDIT_SIGNING_KEY="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ALMANAC_APP_DSN=f"dbname={DATABASE} user={DATABASE}_app password=app host={POSTGRES_SOCKETS}",
    ALMANAC_OWNER_DSN=f"dbname={DATABASE} user={DATABASE}_owner password=owner host={POSTGRES_SOCKETS}",
    REDIS_URL=f"unix://{VALKEY_SOCKET}?db={REDIS_NUMBER}",
    MLFLOW_TRACKING_URI=f"postgresql+psycopg://{DATABASE}_mlflow:mlflow@/{DATABASE}_mlflow?host={POSTGRES_SOCKETS}",
    ALMANAC_LOG_LEVEL="WARNING",
)

from config.settings._databases import databases  # noqa: E402 - reads the environment set above
from config.settings.base import *  # noqa: E402, F403

DATABASES = databases(pooled=False)
WHITENOISE_AUTOREFRESH = True  # no collected static files to scan at start
# Argon2 costs 0.16 s by design; the tests of passwords ask for it by name.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
]
