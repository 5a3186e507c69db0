from django.urls import path

from apps.datasets import views

app_name = "datasets"
urlpatterns = [
    path("", views.dataset_list, name="list"),
    path("new/", views.new, name="new"),
    path("demo/", views.load_demo, name="load_demo"),
    path("sample.csv", views.sample_csv, name="sample_csv"),
    path("uploads/<str:upload_id>/", views.upload_page, name="upload"),
    path("<slug:slug>/", views.detail, name="detail"),
]
