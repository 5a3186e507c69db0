"""The doors of a tenant's host; they are open to people who are not logged in there yet."""

from django.urls import path

from apps.accounts.views import entry

app_name = "accounts"
urlpatterns = [
    path("session/start/", entry.start_entry, name="start_entry"),
    path("session/<str:code>/", entry.redeem, name="redeem"),
    path("logout/", entry.log_out, name="log_out"),
]
