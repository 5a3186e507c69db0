from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    label = "tenants"

    def ready(self) -> None:
        """What core keeps for a tenant outside the database goes with the tenant."""
        from apps.core import cache, storage
        from tenants import lifecycle

        lifecycle.register_eraser("files", storage.erase, storage.list_files)
        lifecycle.register_eraser("Redis", cache.erase, cache.list_keys)
