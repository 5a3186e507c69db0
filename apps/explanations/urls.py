from django.urls import path

from apps.explanations import views

app_name = "explanations"
urlpatterns = [
    path("of/<str:forecast_id>/", views.create, name="create"),
    path("<str:explanation_id>/", views.detail, name="detail"),
    path("<str:explanation_id>/status/", views.status, name="status"),
]
