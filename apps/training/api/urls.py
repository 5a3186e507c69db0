from django.urls import path

from apps.training.api import cards, comparing, policies, views

urlpatterns = [
    path("training-runs", views.TrainingRuns.as_view(), name="api-training-runs"),
    path("training-runs/<str:run_id>", views.TrainingRunDetail.as_view(), name="api-training-run"),
    path("training-runs/<str:run_id>/backtest", views.Backtest.as_view(), name="api-training-backtest"),
    path("models/<slug:name>/compare", comparing.Compare.as_view(), name="api-model-compare"),
    path("models/<slug:name>/versions/<str:ref>/card", cards.Card.as_view(), name="api-model-card"),
    path("models/<slug:name>/training-policy", policies.ModelPolicy.as_view(), name="api-training-policy"),
]
