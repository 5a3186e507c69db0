from django.urls import path

from apps.registry.api import views

urlpatterns = [
    path("models", views.Models.as_view(), name="api-models"),
    path("models/<slug:name>", views.ModelDetail.as_view(), name="api-model"),
]
