from django.urls import path

from apps.hosting import views

app_name = "hosting"
_VERSION = "<slug:name>/versions/<int:number>"

urlpatterns = [
    path("", views.model_list, name="list"),
    path("new/", views.bring, name="new"),
    path("of/<slug:name>/", views.detail, name="detail"),
    path("of/<slug:name>/try/", views.try_it, name="try"),
    path("of/<slug:name>/delete/", views.delete_model, name="delete"),
    path(f"of/{_VERSION}/promote/", views.promote, name="promote"),
    path(f"of/{_VERSION}/delete/", views.delete_version, name="delete-version"),
]
