"""A company's settings, on its own host."""

from django.urls import path

from apps.accounts.views import settings

app_name = "settings"
urlpatterns = [
    path("", settings.overview, name="overview"),
    path("rename/", settings.rename, name="rename"),
    path("hand-over/", settings.hand_over, name="hand_over"),
    path("delete/", settings.delete, name="delete"),
    path("keep/", settings.keep, name="keep"),
]
