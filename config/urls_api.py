"""The REST API under ``/v1/``, the same on every host: the key names the tenant."""

from django.urls import include, path

from config._present import present

_APPS = ("api_keys", "datasets", "registry", "training", "forecasts", "explanations", "jobs", "usage")

urlpatterns = [
    path("v1/", include(module))
    for name in _APPS
    if present(module := f"apps.{name}.api.urls") or present(module := f"apps.{name}.api_urls")
]
