from django.urls import path

from apps.datasets.api import views

urlpatterns = [
    path("datasets", views.Datasets.as_view(), name="api-datasets"),
    path("datasets/<slug:name>", views.DatasetDetail.as_view(), name="api-dataset"),
]
