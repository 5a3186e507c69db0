from django.urls import path

from apps.api_keys import views

app_name = "api_keys"
urlpatterns = [
    path("", views.key_list, name="list"),
    path("create/", views.create, name="create"),
    path("<str:key_id>/", views.detail, name="detail"),
    path("<str:key_id>/change/", views.change, name="change"),
    path("<str:key_id>/rotate/", views.rotate, name="rotate"),
    path("<str:key_id>/revoke/", views.revoke, name="revoke"),
]
