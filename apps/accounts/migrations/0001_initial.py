import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("sessions", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("name", models.CharField(blank=True, max_length=120)),
                ("is_operator", models.BooleanField(default=False)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("email", django.db.models.functions.text.Lower("email"))),
                        name="accounts_user_email_lower",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
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
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "user"), name="accounts_membership_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("role__in", ["owner", "admin", "developer", "analyst", "viewer", "billing"])
                        ),
                        name="accounts_membership_role",
                    ),
                ],
            },
        ),
        # A tenant reads names and addresses of its own members, nothing else of a person. Nobody but the owner of the
        # database makes somebody an operator who was not made one.
        SharedTable(
            table="accounts_user",
            tenant_column=None,
            grants={
                "tenant": "SELECT (id, email, name)",
                "edge": "SELECT, INSERT, UPDATE (password, last_login, name)",
                "operator": "SELECT, UPDATE (is_active)",
            },
            rows={"tenant": "id IN (SELECT user_id FROM accounts_membership)"},
        ),
        SharedTable(
            table="accounts_membership",
            grants={"tenant": "SELECT", "edge": "SELECT, INSERT", "operator": "SELECT"},
        ),
        SharedTable(
            table="django_session",
            tenant_column=None,
            grants={"edge": "SELECT, INSERT, UPDATE, DELETE", "operator": "SELECT, DELETE"},
        ),
        SharedTable(
            table="django_content_type",
            tenant_column=None,
            grants={"edge": "SELECT", "operator": "SELECT"},
        ),
    ]
