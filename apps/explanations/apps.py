from django.apps import AppConfig


class ExplanationsConfig(AppConfig):
    name = "apps.explanations"
    label = "explanations"

    def ready(self) -> None:
        """Show earlier explanations on the forecast's page, and count those of a model's version."""
        from apps.explanations import queries
        from apps.explanations.views import rows_of
        from apps.forecasts import panels
        from apps.registry import dependants

        panels.register(rows_of)
        dependants.register(
            dependants.Dependants(
                "explanations",
                "They stay as they were computed.",
                lambda version: queries.list_of_version(version=version).count(),
            )
        )
