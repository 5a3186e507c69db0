from django.urls import path

from apps.hosting.api import views

_MODEL = "hosted-models/<slug:name>"
_VERSION = f"{_MODEL}/versions/<int:number>"

urlpatterns = [
    path("models/<slug:name>/predict", views.Predict.as_view(), name="api-predict"),
    path("hosted-models", views.HostedModels.as_view(), name="api-hosted-models"),
    path(_MODEL, views.HostedModelDetail.as_view(), name="api-hosted-model"),
    path(_VERSION, views.Version.as_view(), name="api-hosted-version"),
    path(f"{_VERSION}/promote", views.Promote.as_view(), name="api-hosted-promote"),
    path(f"{_VERSION}/archive", views.Archive.as_view(), name="api-hosted-archive"),
    path(f"{_VERSION}/unarchive", views.Unarchive.as_view(), name="api-hosted-unarchive"),
]
