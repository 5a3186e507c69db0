from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"
    label = "jobs"

    def ready(self) -> None:
        """A tenant's work ends before its data is erased."""
        from apps.jobs import erasing
        from tenants import lifecycle

        lifecycle.register_eraser("jobs", erasing.stop_all, erasing.list_running, stops_work=True)
