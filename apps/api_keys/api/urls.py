from django.urls import path

from apps.api_keys.api import leak_views, views

urlpatterns = [
    path("key", views.KeyView.as_view(), name="api-key"),
    path("keys", views.Keys.as_view(), name="api-keys"),
    path("keys/<str:key_id>", views.Key.as_view(), name="api-key-detail"),
    path("keys/<str:key_id>/rotate", views.KeyRotation.as_view(), name="api-key-rotate"),
    path("leaked-keys", leak_views.LeakedKeys.as_view(), name="api-leaked-keys"),
]
