from django.urls import path

from apps.dashboard.api import views

urlpatterns = [path("audit", views.AuditView.as_view(), name="audit")]
