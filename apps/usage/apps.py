from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "apps.usage"
    label = "usage"

    def ready(self) -> None:
        """Keys tell what they used this month; they stand below, so they are given who counts."""
        from apps.api_keys import consumption
        from apps.usage import queries

        consumption.register(queries.used_by_keys)
