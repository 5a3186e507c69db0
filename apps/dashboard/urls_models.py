from django.urls import path

from apps.dashboard import model_version_views, model_views

app_name = "registry"
_VERSION = "<slug:name>/versions/<str:ref>"

urlpatterns = [
    path("", model_views.model_list, name="list"),
    path("<slug:name>/", model_views.detail, name="detail"),
    path("<slug:name>/compare/", model_version_views.compare, name="compare"),
    path("<slug:name>/delete/", model_version_views.delete_model, name="delete"),
    path("<slug:name>/rollback/", model_version_views.roll_back, name="rollback"),
    path("<slug:name>/versions/", model_version_views.versions, name="versions"),
    path(f"{_VERSION}/card/", model_version_views.model_card, name="card"),
    path(f"{_VERSION}/promote/", model_version_views.promote, name="promote"),
    path(f"{_VERSION}/archive/", model_version_views.archive, name="archive"),
    path(f"{_VERSION}/unarchive/", model_version_views.unarchive, name="unarchive"),
    path(f"{_VERSION}/delete/", model_version_views.delete_version, name="delete-version"),
]
