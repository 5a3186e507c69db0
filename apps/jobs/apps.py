from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"
    label = "jobs"

    def ready(self) -> None:
        """A tenant's work ends before its data is erased. The clerk keeps the jobs going: no work must hold that up."""
        from apps.core import clerk
        from apps.core.scope import SystemRole
        from apps.events import published
        from apps.jobs import dispatch, ending, entries, erasing, schedules
        from tenants import lifecycle

        clerk.register("jobs.sweep", 5.0, dispatch.sweep, SystemRole.DISPATCHER)
        clerk.register("jobs.run_due_schedules", 30.0, schedules.run_due, SystemRole.DISPATCHER)
        clerk.register("jobs.forget_old", 3600.0, entries.forget_old, SystemRole.DISPATCHER)
        for each in ending.TYPES:
            published.publish(*each)
        lifecycle.register_eraser("jobs", erasing.stop_all, erasing.list_running, stops_work=True)
