import django.db.models.deletion
import django_tenants.postgresql_backend.base
from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Tenant",
            fields=[
                (
                    "schema_name",
                    models.CharField(
                        db_index=True,
                        max_length=63,
                        unique=True,
                        validators=[django_tenants.postgresql_backend.base._check_schema_name],
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("slug", models.CharField(max_length=40, null=True, unique=True)),
                ("name", models.CharField(blank=True, max_length=120)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("creating", "Creating"),
                            ("ready", "Ready"),
                            ("active", "Active"),
                            ("suspended", "Suspended"),
                            ("deleting", "Deleting"),
                            ("gone", "Gone"),
                        ],
                        db_index=True,
                        default="creating",
                        max_length=12,
                    ),
                ),
                ("suspended_reason", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("activated_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("slug",),
            },
        ),
        migrations.CreateModel(
            name="TenantLimits",
            fields=[
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="limits",
                        serialize=False,
                        to="tenants.tenant",
                    ),
                ),
                ("plan", models.CharField(max_length=30)),
                ("forecast_points_per_month", models.BigIntegerField()),
                ("running_jobs", models.PositiveSmallIntegerField()),
                ("datasets", models.PositiveIntegerField()),
                ("rows", models.BigIntegerField()),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name="Domain",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("domain", models.CharField(db_index=True, max_length=253, unique=True)),
                ("is_primary", models.BooleanField(db_index=True, default=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="domains",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        SharedTable(
            table="tenants_tenant",
            tenant_column="id",
            grants={
                "tenant": "SELECT",
                "edge": "SELECT, UPDATE",
                "ledger": "SELECT",
                "dispatcher": "SELECT",
                "operator": "SELECT, UPDATE",
                "billing": "SELECT",
            },
            updates={"edge": ("state = 'ready'", "state = 'active'")},
        ),
        SharedTable(
            table="tenants_domain",
            grants={
                "tenant": "SELECT",
                "edge": "SELECT, INSERT",
                "dispatcher": "SELECT",
                "operator": "SELECT, INSERT, UPDATE, DELETE",
            },
        ),
        SharedTable(
            table="tenants_tenantlimits",
            grants={
                "tenant": "SELECT",
                "edge": "SELECT, INSERT",
                "ledger": "SELECT",
                "dispatcher": "SELECT",
                "operator": "SELECT, UPDATE",
                "billing": "SELECT, UPDATE",
            },
        ),
    ]
