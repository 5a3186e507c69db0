from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "apps.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        """Deliveries go out beside the workers; whoever's endpoint is switched off gets a mail."""
        from apps.core import clerk
        from apps.core.scope import SystemRole
        from apps.events import mail
        from apps.webhooks import fanning_out, sending

        mail.register(sending.DISABLED, "mail/webhooks/disabled")
        clerk.register("webhooks.fan_out", 1.0, fanning_out.fan_out, SystemRole.COURIER)
        clerk.register("webhooks.send", 0.5, sending.send_due, SystemRole.DISPATCHER)
        clerk.register("webhooks.forget_old", 3600.0, fanning_out.forget_old, SystemRole.COURIER)
