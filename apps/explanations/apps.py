from django.apps import AppConfig


class ExplanationsConfig(AppConfig):
    name = "apps.explanations"
    label = "explanations"

    def ready(self) -> None:
        """Show earlier explanations on the forecast's page."""
        from apps.explanations.views import rows_of
        from apps.forecasts import panels

        panels.register(rows_of)
