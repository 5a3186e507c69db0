"""People, what they are in which tenant, who is invited, and who is logged in: shared tables, as one person may
belong to several tenants."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts.permissions import Role
from apps.core.ids import new_id


class Users(BaseUserManager["User"]):
    """How users are looked up; they are made by the services alone."""

    def get_by_natural_key(self, username: str | None) -> User:
        """The user with that e-mail, however it was capitalised."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """A person, known by e-mail address. An operator runs the installation and signs in to its console."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_operator = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[Users] = Users()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="accounts_user_email_lower"
            ),
        ]

    @property
    def is_staff(self) -> bool:
        """What Django's admin site asks: operators only."""
        return self.is_active and self.is_operator

    def has_perm(self, perm: str, obj: object = None) -> bool:  # noqa: ARG002 - the signature is Django's
        """Django's own permissions are not used: an operator has all, everybody else none."""
        return self.is_staff

    def has_module_perms(self, app_label: str) -> bool:  # noqa: ARG002 - the signature is Django's
        """As ``has_perm``."""
        return self.is_staff


class Membership(models.Model):
    """One person's role in one tenant. ``seen_at``: their latest page there, to the minute."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "user"], name="accounts_membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="accounts_membership_role"
            ),
        ]


class Invitation(models.Model):
    """A place in a tenant that waits for the person of an e-mail address.

    The link is not stored: it is the signed id and ``number``, which a resend raises, so that earlier links end.
    ``invited_by`` is a person's id, or None where a key invited.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    message = models.CharField(max_length=500, blank=True)
    invited_by = models.UUIDField(null=True)
    number = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="accounts_invitation_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="accounts_invitation_role"
            ),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="accounts_invitation_email_lower"
            ),
        ]

    @property
    def state(self) -> str:
        """``accepted``, ``revoked``, ``expired`` or ``pending``."""
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        return "pending" if self.expires_at > timezone.now() else "expired"


class LogIn(models.Model):
    """One log-in on the bare host, as long as its session lives; the sessions on tenants' hosts hang on it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, unique=True)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)


class PasswordReset(models.Model):
    """A wish for a new password. Its link is the signed id, so nothing secret stands here; it is good once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
