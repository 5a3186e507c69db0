import django.utils.timezone
from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("kind", models.CharField(max_length=60)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("queue", models.CharField(max_length=20)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=12,
                    ),
                ),
                ("stage", models.CharField(blank=True, max_length=120)),
                ("percent", models.FloatField(default=0)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("max_attempts", models.PositiveSmallIntegerField(default=3)),
                ("fencing_token", models.PositiveIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("dispatched_at", models.DateTimeField(null=True)),
                ("cancel_requested_at", models.DateTimeField(null=True)),
                ("payload", models.JSONField(default=dict)),
                ("result", models.JSONField(null=True)),
                ("error", models.JSONField(null=True)),
                ("request_id", models.CharField(blank=True, max_length=80)),
                ("actor_type", models.CharField(blank=True, max_length=12)),
                ("actor_id", models.CharField(blank=True, max_length=64)),
                ("actor_label", models.CharField(blank=True, max_length=254)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("-created_at", "-id"),
                "indexes": [
                    models.Index(fields=["tenant_id", "-created_at"], name="jobs_by_tenant"),
                    models.Index(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=["state", "created_at"],
                        name="jobs_open",
                    ),
                ],
            },
        ),
        SharedTable(
            table="jobs_job",
            grants={
                "tenant": "SELECT, INSERT, UPDATE (stage, percent, lease_until, cancel_requested_at)",
                "dispatcher": "SELECT, UPDATE",
                "operator": "SELECT, UPDATE",
            },
        ),
    ]
