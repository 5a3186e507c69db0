from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "apps.datasets"
    label = "datasets"

    def ready(self) -> None:
        """A backup of a tenant holds the files that these rows name; the lineage knows what they are."""
        from apps.datasets import lineage
        from apps.events import published
        from tenants.backups import contents

        contents.register_files(table="datasets_upload", path="path", sha256="sha256")
        contents.register_files(table="datasets_storedfile", path="path", sha256="sha256")
        lineage.register_own()
        published.publish(
            "dataset.version_created",
            "A data set has a new version: it was made, added to, corrected or replaced.",
            {"dataset": "sales", "version": "dsv_01K…", "change": "append"},
        )
