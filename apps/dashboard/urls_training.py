from django.urls import path

from apps.dashboard import training_views

app_name = "training"
urlpatterns = [
    path("of/<slug:slug>/", training_views.start, name="start"),
    path("<str:run_id>/", training_views.detail, name="detail"),
    path("<str:run_id>/progress/", training_views.progress, name="progress"),
]
