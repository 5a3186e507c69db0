from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Say which events are mailed, with which words."""
        from apps.accounts.services import invitations, passwords
        from apps.events import mail

        mail.register(invitations.CREATED, "mail/accounts/invitation")
        mail.register(invitations.RESENT, "mail/accounts/invitation")
        mail.register(passwords.ASKED, "mail/accounts/password_reset")
        mail.register(passwords.CHANGED, "mail/accounts/password_changed")
