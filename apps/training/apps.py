from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"
    label = "training"

    def ready(self) -> None:
        """Put the training form and the runs on the data set's page, and the runs into the lineage."""
        from apps.datasets import news, panels
        from apps.training import lineage, policies
        from apps.training.panel import dataset_panel
        from tenants.backups import contents

        panels.register(dataset_panel)
        lineage.register()
        news.register(policies.on_new_version)
        contents.register_files(table="training_trainingrun", path="backtest_path", sha256="backtest_sha256")
