from django.urls import path

from apps.dashboard import job_views

app_name = "jobs"
urlpatterns = [
    path("", job_views.job_list, name="list"),
    path("<str:job_id>/", job_views.detail, name="detail"),
    path("<str:job_id>/status/", job_views.status, name="status"),
    path("<str:job_id>/cancel/", job_views.cancel, name="cancel"),
]
