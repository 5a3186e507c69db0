from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"
    label = "training"

    def ready(self) -> None:
        """Put the training form and the runs on the data set's page, and the runs into the lineage; models know of both
        their runs and their policy; tell who listens."""
        from apps.datasets import news, panels
        from apps.events import published
        from apps.registry import dependants
        from apps.training import lineage, policies, queries, telling
        from apps.training.panel import dataset_panel
        from tenants.backups import contents

        panels.register(dataset_panel)
        lineage.register()
        for each in telling.TYPES:
            published.publish(*each)
        news.register(policies.on_new_version)
        contents.register_files(table="training_trainingrun", path="backtest_path", sha256="backtest_sha256")
        dependants.register(
            dependants.Dependants(
                "training runs",
                "They stay with their leaderboards, and can be deleted then.",
                lambda version: queries.list_runs().filter(model_version=version).count(),
                lambda model: policies.remove_policy(model_name=model.name),
            )
        )
