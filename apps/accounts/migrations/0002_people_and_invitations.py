import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable, role_name

DATABASE = str(settings.DATABASES["default"]["NAME"])
EDGE, OPERATOR = role_name(DATABASE, "edge"), role_name(DATABASE, "operator")
# The edge signs people up, and nobody is signed up as an operator; operators are made by operators alone.
PEOPLE = "\n".join(
    f"""
    DROP POLICY accounts_user_{name} ON accounts_user;
    CREATE POLICY accounts_user_{name} ON accounts_user FOR SELECT TO "{role}" USING (true);
    CREATE POLICY accounts_user_{name}_insert ON accounts_user FOR INSERT TO "{role}" WITH CHECK ({check});
    CREATE POLICY accounts_user_{name}_update ON accounts_user FOR UPDATE TO "{role}"
      USING (true) WITH CHECK (true);
    """
    for name, role, check in (("edge", EDGE, "NOT is_operator"), ("operator", OPERATOR, "is_operator"))
)
PEOPLE_BEFORE = "\n".join(
    f"""
    DROP POLICY accounts_user_{name} ON accounts_user;
    DROP POLICY accounts_user_{name}_insert ON accounts_user;
    DROP POLICY accounts_user_{name}_update ON accounts_user;
    CREATE POLICY accounts_user_{name} ON accounts_user TO "{role}" USING (true) WITH CHECK (true);
    """
    for name, role in (("edge", EDGE), ("operator", OPERATOR))
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="seen_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "owner"),
                            ("admin", "admin"),
                            ("developer", "developer"),
                            ("analyst", "analyst"),
                            ("viewer", "viewer"),
                            ("billing", "billing"),
                        ],
                        max_length=16,
                    ),
                ),
                ("message", models.CharField(blank=True, max_length=500)),
                ("invited_by", models.UUIDField(null=True)),
                ("number", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("sent_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("accepted_by", models.UUIDField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("accepted_at", None), ("revoked_at", None)),
                        fields=("tenant_id", "email"),
                        name="accounts_invitation_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("role__in", ["owner", "admin", "developer", "analyst", "viewer", "billing"])
                        ),
                        name="accounts_invitation_role",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("email", django.db.models.functions.text.Lower("email"))),
                        name="accounts_invitation_email_lower",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LogIn",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("session_key", models.CharField(max_length=40, unique=True)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=300)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PasswordReset",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RunSQL(PEOPLE, PEOPLE_BEFORE),
        migrations.RunSQL(
            f'GRANT INSERT ON accounts_user TO "{OPERATOR}"',
            f'REVOKE INSERT ON accounts_user FROM "{OPERATOR}"',
        ),
        # Roles are changed and people removed from within the tenant alone, which row-level security keeps to its own.
        SharedTable(
            table="accounts_membership",
            grants={"tenant": "SELECT, UPDATE (role), DELETE", "edge": "SELECT, INSERT, UPDATE (seen_at)"},
        ),
        # Whoever accepts belongs to no tenant yet: the edge turns an open invitation into an accepted one.
        SharedTable(
            table="accounts_invitation",
            grants={
                "tenant": "SELECT, INSERT, UPDATE (number, sent_at, expires_at, revoked_at)",
                "edge": "SELECT, UPDATE (accepted_at, accepted_by)",
                "operator": "SELECT",
            },
            updates={"edge": ("accepted_at IS NULL AND revoked_at IS NULL", "accepted_at IS NOT NULL")},
        ),
        SharedTable(
            table="accounts_login",
            tenant_column=None,
            grants={"edge": "SELECT, INSERT, UPDATE (session_key, seen_at), DELETE"},
        ),
        SharedTable(
            table="accounts_passwordreset",
            tenant_column=None,
            grants={"edge": "SELECT, INSERT, UPDATE (used_at), DELETE"},
        ),
    ]
