from django.urls import path

from apps.registry.api import versions, views

_VERSION = "models/<slug:name>/versions/<str:ref>"

urlpatterns = [
    path("models", views.Models.as_view(), name="api-models"),
    path("models/<slug:name>", views.ModelDetail.as_view(), name="api-model"),
    path("models/<slug:name>/rollback", views.Rollback.as_view(), name="api-model-rollback"),
    path("models/<slug:name>/versions", versions.Versions.as_view(), name="api-model-versions"),
    path(_VERSION, versions.VersionDetail.as_view(), name="api-model-version"),
    path(f"{_VERSION}/promote", versions.Promote.as_view(), name="api-model-promote"),
    path(f"{_VERSION}/archive", versions.Archive.as_view(), name="api-model-archive"),
    path(f"{_VERSION}/unarchive", versions.Unarchive.as_view(), name="api-model-unarchive"),
    path(f"{_VERSION}/bundle", versions.Bundle.as_view(), name="api-model-bundle"),
]
