from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "apps.api_keys"
    label = "api_keys"

    def ready(self) -> None:
        """Events about keys are told to programs, some of them by mail."""
        from apps.api_keys import notices
        from apps.events import mail, published

        for event, template in notices.MAILS.items():
            mail.register(event, template)
        for each in notices.TYPES:
            published.publish(*each)
