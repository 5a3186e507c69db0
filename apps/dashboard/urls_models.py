from django.urls import path

from apps.dashboard import model_views

app_name = "registry"
urlpatterns = [
    path("", model_views.model_list, name="list"),
    path("<slug:name>/", model_views.detail, name="detail"),
]
