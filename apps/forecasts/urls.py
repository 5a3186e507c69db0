from django.urls import path

from apps.forecasts import views

app_name = "forecasts"
urlpatterns = [
    path("", views.forecast_list, name="list"),
    path("with/<slug:name>/", views.create, name="create"),
    path("<str:forecast_id>/", views.detail, name="detail"),
    path("<str:forecast_id>/csv/", views.as_csv, name="csv"),
]
