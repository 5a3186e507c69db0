from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "apps.datasets"
    label = "datasets"

    def ready(self) -> None:
        """A backup of a tenant holds the files that these rows name."""
        from tenants.backups import contents

        contents.register_files(table="datasets_upload", path="path", sha256="sha256")
        contents.register_files(table="datasets_datasetversion", path="path", sha256="sha256")
