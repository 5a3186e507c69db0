from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "apps.events"
    label = "events"

    def ready(self) -> None:
        """Mail goes out beside the workers."""
        from apps.core import clerk
        from apps.events import courier

        clerk.register("events.deliver", 1.0, courier.deliver, "courier")
        clerk.register("events.forget_old", 3600.0, courier.forget_old, "courier")
