"""A tenant's host: the dashboard's pages, and the API."""

from django.urls import include, path

from apps.core import views as core
from config.urls_api import urlpatterns as api

urlpatterns = [
    path("livez", core.livez, name="livez"),
    path("readyz", core.readyz, name="readyz"),
    path("docs/problems", core.problems, name="problems"),
    *api,
    path("", include("apps.accounts.urls_tenant")),
    path("", include("apps.dashboard.urls")),
    path("datasets/", include("apps.datasets.urls")),
    path("training/", include("apps.dashboard.urls_training")),
    path("models/hosted/", include("apps.hosting.urls")),
    path("models/", include("apps.dashboard.urls_models")),
    path("forecasts/", include("apps.forecasts.urls")),
    path("explanations/", include("apps.explanations.urls")),
    path("api-keys/", include("apps.api_keys.urls")),
    path("webhooks/", include("apps.webhooks.urls")),
    path("usage/", include("apps.usage.urls")),
    path("plan/", include("apps.billing.urls")),
    path("jobs/", include("apps.dashboard.urls_jobs")),
    path("audit/", include("apps.dashboard.urls_audit")),
    path("members/", include("apps.accounts.urls_members")),
    path("settings/", include("apps.accounts.urls_settings")),
]
