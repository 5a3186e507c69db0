from django.apps import AppConfig


class HostingConfig(AppConfig):
    name = "apps.hosting"
    label = "hosting"

    def ready(self) -> None:
        """The files of hosted models go with a tenant's backup."""
        from tenants.backups import contents

        contents.register_files(table="hosting_hostedversion", path="path", sha256="sha256")
