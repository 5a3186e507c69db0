from django.urls import path

from apps.jobs.api import views

urlpatterns = [
    path("jobs", views.Jobs.as_view(), name="api-jobs"),
    path("jobs/<str:job_id>", views.JobDetail.as_view(), name="api-job"),
    path("jobs/<str:job_id>/cancel", views.JobCancellation.as_view(), name="api-job-cancel"),
]
