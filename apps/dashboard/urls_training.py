from django.urls import path

from apps.dashboard import training_policy_views, training_views

app_name = "training"
urlpatterns = [
    path("of/<slug:slug>/", training_views.start, name="start"),
    path("of/<slug:slug>/estimate/", training_views.estimate, name="estimate"),
    path("again/<slug:name>/", training_policy_views.edit, name="policy"),
    path("again/<slug:name>/remove/", training_policy_views.remove, name="remove-policy"),
    path("<str:run_id>/", training_views.detail, name="detail"),
    path("<str:run_id>/progress/", training_views.progress, name="progress"),
    path("<str:run_id>/backtest/", training_views.backtest, name="backtest"),
    path("<str:run_id>/backtest/<slug:form>/", training_views.download, name="download"),
]
