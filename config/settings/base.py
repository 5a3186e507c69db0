"""Settings that hold everywhere; what differs stands in dev, test and prod."""

from __future__ import annotations

import os
from pathlib import Path

import config.celery  # noqa: F401 - every process that has settings sends to our broker
from config import env, logs

BASE_DIR = env.REPOSITORY
VAR = Path(env.text("ALMANAC_VAR", str(BASE_DIR / "var")))
STORAGE_ROOT = VAR / "storage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "tenants": env.storage("ALMANAC_STORAGE_URL", STORAGE_ROOT),
}
# Copies on this machine of what is stored elsewhere.
FILE_CACHE = VAR / "cache"
FILE_CACHE_BYTES = env.number("ALMANAC_FILE_CACHE_BYTES", 5_000_000_000)
ANCHOR_DIR = Path(env.text("ALMANAC_ANCHOR_DIR", str(VAR / "anchors")))
DEBUG = False
SECRET_KEY = env.text("ALMANAC_SECRET_KEY")
API_KEY_PEPPERS = env.peppers(env.text("ALMANAC_API_KEY_PEPPERS"))
SECRETS_KEYS = env.secrets_keys("ALMANAC_SECRETS_KEYS")
AUDIT_SIGNING_KEY = env.signing_key("ALMANAC_AUDIT_SIGNING_KEY")
LEAK_REPORT_KEYS = env.mapping("ALMANAC_LEAK_REPORT_KEYS")

HOST = env.text("HOST", "127.0.0.1")
PORT = env.number("PORT", 8000)
BASE_DOMAIN = env.text("ALMANAC_BASE_DOMAIN", "localhost")
SCHEME = env.choice("ALMANAC_SCHEME", "http", ("http", "https"))
# Other names and addresses of the bare host, such as the one that HOST binds.
BARE_HOSTS = [HOST, *filter(None, env.text("ALMANAC_HOSTS", "").split(","))]
# Where people reach us, which behind a proxy is not where we listen.
PUBLIC_PORT = env.number("ALMANAC_PUBLIC_PORT", PORT)
PUBLIC_URL = env.public_url(SCHEME, BASE_DOMAIN, PUBLIC_PORT)
ALLOWED_HOSTS = [f".{BASE_DOMAIN}", "127.0.0.1", "[::1]", *BARE_HOSTS]
SIGNUP = env.choice("SIGNUP", "open", ("open", "invite", "closed"))
READY_TENANTS = env.number("ALMANAC_READY_TENANTS", 5)
# A database backend never forgets a tenant's table; holding about so much, its connection is replaced (0: never).
BACKEND_MEGABYTES = env.number("ALMANAC_BACKEND_MB", 120)

SHARED_APPS = [
    "apps.console",
    "django.contrib.admin.apps.SimpleAdminConfig",  # before django_tenants, which has templates of the same names
    "django_tenants",
    "tenants",
    "apps.core",
    "apps.events",
    "apps.audit",
    "apps.jobs",
    "apps.accounts",
    "apps.api_keys",
    "apps.usage",
    "apps.webhooks",
    "apps.billing",
    "apps.dashboard",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
]
TENANT_APPS = [
    "apps.datasets",
    "apps.registry",
    "apps.hosting",
    "apps.training",
    "apps.forecasts",
    "apps.explanations",
]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_SYNC_ROUTER = "tenants.routers.SchemaRouter"
DATABASE_ROUTERS = [TENANT_SYNC_ROUTER]

MIDDLEWARE = [
    "apps.core.middleware.RequestContextMiddleware",
    "apps.core.middleware.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.middleware.ContentSecurityPolicyMiddleware",
    "tenants.middleware.HostMiddleware",
    "apps.api_keys.middleware.ApiKeyMiddleware",
    "apps.core.middleware_pages.SessionMiddleware",
    "apps.core.middleware_pages.CommonMiddleware",
    "apps.core.middleware_pages.CsrfViewMiddleware",
    "apps.core.middleware_pages.AuthenticationMiddleware",
    "apps.core.middleware_pages.MessageMiddleware",
    "apps.core.middleware_pages.XFrameOptionsMiddleware",
    "apps.accounts.middleware.SessionScopeMiddleware",
    "apps.core.admission.AdmissionMiddleware",
]
ROOT_URLCONF = "config.urls_public"
PUBLIC_URLCONF = "config.urls_public"
TENANT_URLCONF = "config.urls_tenant"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.dashboard.context.shell",
            ],
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")

CELERY_BROKER_URL = env.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Native libraries keep what they allocated; a fresh child now and then gives it back.
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_MAX_MEMORY_PER_CHILD = (
    env.number("ALMANAC_WORKER_MB", 1500) * 1024
)  # in kB; checked after each task
JOB_SECONDS = env.number("ALMANAC_JOB_SECONDS", 6 * 3600)
# Bundles whose trees join every training of their frequency: MS.alm, D.alm …; empty for none.
PRETRAINED_MODELS = env.text("ALMANAC_PRETRAINED_MODELS", "")
TRAINING_PROCESSES = env.number("ALMANAC_TRAINING_PROCESSES", os.cpu_count() or 1)
CELERY_TASK_TIME_LIMIT = 1800  # of a periodic task that hangs; a job has its own
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
MLFLOW_TRACKING_URI = env.text("MLFLOW_TRACKING_URI", "")
MLFLOW_ARTIFACT_ROOT = env.text("MLFLOW_ARTIFACT_ROOT", str(VAR / "mlflow"))

STRIPE_API_KEY = env.text("STRIPE_API_KEY", "")
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET", "")
STRIPE_API_BASE = env.text("STRIPE_API_BASE", "")
STRIPE_SIMULATED = env.flag("STRIPE_SIMULATED")

globals().update(env.mail(env.text("ALMANAC_EMAIL_URL", ""), VAR / "mail"))
DEFAULT_FROM_EMAIL = env.text("ALMANAC_EMAIL_FROM", f"Almanac <no-reply@{BASE_DOMAIN}>")

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR / "static"
WHITENOISE_USE_FINDERS = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
MAX_UPLOAD_BYTES = env.number("ALMANAC_MAX_UPLOAD_BYTES", 1024 * 1024 * 1024)
READ_AT_ONCE_BYTES = env.number(
    "ALMANAC_READ_AT_ONCE_BYTES", 16 * 1024 * 1024
)  # larger files are read by a worker
EGRESS_ALLOW = list(filter(None, env.text("ALMANAC_EGRESS_ALLOW", "").split(",")))
EGRESS_CA_FILE = env.text("ALMANAC_EGRESS_CA", "")
OPENLINEAGE_URL = env.text("ALMANAC_OPENLINEAGE_URL", "")
OPENLINEAGE_KEY = env.text("ALMANAC_OPENLINEAGE_KEY", "")
SILENCED_SYSTEM_CHECKS: list[str] = []

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.api_keys.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.api_keys.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.StrictJSONParser"],
    "EXCEPTION_HANDLER": "apps.core.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

LOG_FORMAT = env.choice("ALMANAC_LOG_FORMAT", "console", ("console", "json"))
LOGGING_CONFIG = None
logs.configure(LOG_FORMAT, env.text("ALMANAC_LOG_LEVEL", "INFO"))

BUNDLE_STORE_BYTES = env.number("ALMANAC_BUNDLE_STORE_BYTES", 64 * 1024 * 1024)

# `make up` gives these to seed_demo, so that what it prints stays true over restarts.
DEMO_PASSWORD = env.text("ALMANAC_DEMO_PASSWORD", "")
DEMO_OPERATOR_PASSWORD = env.text("ALMANAC_OPERATOR_PASSWORD", "")
DEMO_KEY_SEED = env.text("ALMANAC_DEMO_API_KEY_SECRET", "")
