"""The doors of a tenant's host; they are open to people who are not logged in there yet."""

from django.urls import path

from apps.accounts import views

app_name = "accounts"
urlpatterns = [
    path("session/start/", views.start_entry, name="start_entry"),
    path("session/<str:code>/", views.redeem, name="redeem"),
    path("logout/", views.log_out, name="log_out"),
]
