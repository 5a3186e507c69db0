from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    label = "tenants"

    def ready(self) -> None:
        """What core keeps for a tenant outside the database goes with the tenant; its owners are told."""
        from apps.core import cache, storage
        from apps.events import mail
        from tenants import lifecycle

        lifecycle.register_eraser("files", storage.erase, storage.list_files)
        lifecycle.register_eraser("Redis", cache.erase, cache.list_keys)
        for event in ("deletion_requested", "deletion_cancelled", "erased"):
            mail.register(f"tenant.{event}", f"mail/tenants/{event}")
