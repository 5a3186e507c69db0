"""The REST API under ``/v1/``, the same on every host: the key names the tenant."""

from django.urls import include, path

_APPS = ("api_keys", "datasets", "registry", "training", "forecasts", "explanations", "jobs", "usage")

urlpatterns = [path("v1/", include(f"apps.{name}.api.urls")) for name in _APPS]
