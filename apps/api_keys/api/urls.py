from django.urls import path

from apps.api_keys.api import views

urlpatterns = [path("key", views.KeyView.as_view(), name="api-key")]
