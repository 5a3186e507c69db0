from django.urls import path

from apps.explanations.api import views

urlpatterns = [
    path("explanations", views.Explanations.as_view(), name="api-explanations"),
    path("explanations/<str:explanation_id>", views.ExplanationDetail.as_view(), name="api-explanation"),
]
