"""The REST API under ``/v1/``, the same on every host: the key names the tenant."""

from django.urls import include, path

# Tried in this order for each request: what is asked most stands first.
_APPS = (
    "forecasts",
    "jobs",
    "datasets",
    "registry",
    "hosting",
    "training",
    "explanations",
    "usage",
    "webhooks",
    "api_keys",
    "accounts",
    "dashboard",
)

urlpatterns = [path("v1/", include([path("", include(f"apps.{name}.api.urls")) for name in _APPS]))]
