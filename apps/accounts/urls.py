"""Pages on the bare host."""

from django.urls import path

from apps.accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.welcome, name="welcome"),
    path("signup/", views.sign_up, name="sign_up"),
    path("login/", views.log_in, name="log_in"),
    path("logout/", views.log_out, name="log_out"),
    path("tenants/", views.choose_tenant, name="tenants"),
    path("enter/<slug:slug>/", views.enter, name="enter"),
]
