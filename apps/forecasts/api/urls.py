from django.urls import path

from apps.forecasts.api import views

urlpatterns = [
    path("forecasts", views.Forecasts.as_view(), name="api-forecasts"),
    path("forecasts/<str:forecast_id>", views.Forecast.as_view(), name="api-forecast"),
]
