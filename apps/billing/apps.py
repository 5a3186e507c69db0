from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "apps.billing"
    label = "billing"

    def ready(self) -> None:
        """Nobody is billed for a tenant that is erased."""
        from apps.billing import erasing
        from tenants import lifecycle

        lifecycle.register_eraser("Stripe", erasing.end_subscriptions, erasing.list_running)
