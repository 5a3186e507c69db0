from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "apps.registry"
    label = "registry"

    def ready(self) -> None:
        """What a tenant has in MLflow goes with the tenant, and comes back with its backup."""
        from apps.events import published
        from apps.registry import lineage, mirroring, mlflow_store
        from apps.registry.services import telling
        from tenants import lifecycle
        from tenants.backups import contents

        lifecycle.register_eraser("MLflow", mlflow_store.erase, mlflow_store.list_leftovers)
        contents.register_files(table="registry_modelversion", path="bundle_path", sha256="bundle_sha256")
        contents.register_mirror("MLflow", mirroring.dump, mirroring.restore)
        lineage.register()
        for each in telling.TYPES:
            published.publish(*each)
