from django.urls import path

from apps.jobs.api import schedules, views

urlpatterns = [
    path("jobs", views.Jobs.as_view(), name="api-jobs"),
    path("jobs/<str:job_id>", views.JobDetail.as_view(), name="api-job"),
    path("jobs/<str:job_id>/cancel", views.JobCancellation.as_view(), name="api-job-cancel"),
    path("jobs/<str:job_id>/retry", views.JobRetry.as_view(), name="api-job-retry"),
    path("jobs/<str:job_id>/logs", views.JobLogs.as_view(), name="api-job-logs"),
    path("jobs/<str:job_id>/events", views.JobEvents.as_view(), name="api-job-events"),
    path("schedules", schedules.Schedules.as_view(), name="api-schedules"),
    path("schedules/<str:schedule_id>", schedules.ScheduleDetail.as_view(), name="api-schedule"),
    path("schedules/<str:schedule_id>/run", schedules.ScheduleRun.as_view(), name="api-schedule-run"),
]
