"""The bare host: welcome, sign-up, log-in, the operator's console, Stripe's webhook, and the API."""

from django.urls import include, path

from apps.console.site import site as console
from apps.core import views as core
from config.urls_api import urlpatterns as api

urlpatterns = [
    path("livez", core.livez, name="livez"),
    path("readyz", core.readyz, name="readyz"),
    path("docs/problems", core.problems, name="problems"),
    *api,
    path("", include("apps.accounts.urls")),
    path("billing/", include("apps.billing.urls_public")),
    path("admin/", console.urls),
]
