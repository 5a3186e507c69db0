from django.apps import AppConfig


class ForecastsConfig(AppConfig):
    name = "apps.forecasts"
    label = "forecasts"

    def ready(self) -> None:
        """The lineage knows forecasts."""
        from apps.forecasts import lineage

        lineage.register()
