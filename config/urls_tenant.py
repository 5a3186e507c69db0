"""A tenant's host: the dashboard's pages, and the API."""

from django.urls import include, path

from apps.core import views as core
from config._present import present
from config.urls_api import urlpatterns as api

_PAGES = {
    "": ("apps.accounts.urls_tenant", "apps.dashboard.urls"),
    "datasets/": ("apps.datasets.urls",),
    "training/": ("apps.dashboard.urls_training",),
    "models/": ("apps.dashboard.urls_models",),
    "forecasts/": ("apps.forecasts.urls",),
    "explanations/": ("apps.explanations.urls",),
    "api-keys/": ("apps.api_keys.urls",),
    "usage/": ("apps.usage.urls",),
    "plan/": ("apps.billing.urls",),
    "jobs/": ("apps.dashboard.urls_jobs",),
    "audit/": ("apps.dashboard.urls_audit",),
}

urlpatterns = [
    path("livez", core.livez, name="livez"),
    path("readyz", core.readyz, name="readyz"),
    *api,
    *(
        path(prefix, include(module))
        for prefix, modules in _PAGES.items()
        for module in modules
        if present(module)
    ),
]
