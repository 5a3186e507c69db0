from django.urls import path

from apps.dashboard import job_views

app_name = "jobs"
urlpatterns = [
    path("", job_views.job_list, name="list"),
    path("schedules/", job_views.schedule_list, name="schedules"),
    path(
        "schedules/<str:schedule_id>/<str:change>/",
        job_views.change_schedule,
        name="change-schedule",
    ),
    path("<str:job_id>/", job_views.detail, name="detail"),
    path("<str:job_id>/status/", job_views.status, name="status"),
    path("<str:job_id>/cancel/", job_views.cancel, name="cancel"),
    path("<str:job_id>/retry/", job_views.retry, name="retry"),
]
