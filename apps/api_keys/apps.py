from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "apps.api_keys"
    label = "api_keys"

    def ready(self) -> None:
        """Some events about keys are told by mail."""
        from apps.api_keys import notices
        from apps.events import mail

        for event, template in notices.MAILS.items():
            mail.register(event, template)
