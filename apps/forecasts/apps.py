from django.apps import AppConfig


class ForecastsConfig(AppConfig):
    name = "apps.forecasts"
    label = "forecasts"

    def ready(self) -> None:
        """The lineage knows forecasts, and so do the versions of models that made them."""
        from apps.forecasts import lineage, queries
        from apps.registry import dependants

        lineage.register()
        dependants.register(
            dependants.Dependants(
                "forecasts",
                "Their receipts stay in the ledger; the numbers can no longer be computed again.",
                lambda version: queries.list_forecasts_of(version=version).count(),
            )
        )
