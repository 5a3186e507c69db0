from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "apps.console"
    label = "console"

    def ready(self) -> None:
        """Fill the site; Django's own autodiscovery belongs to the site that is not used here."""
        from apps.console import admin  # noqa: F401
