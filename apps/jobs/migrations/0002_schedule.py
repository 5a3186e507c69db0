import django.utils.timezone
from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("kind", models.CharField(max_length=60)),
                ("key", models.CharField(max_length=80)),
                ("name", models.CharField(max_length=200)),
                ("payload", models.JSONField(default=dict)),
                ("cron", models.CharField(max_length=100)),
                ("zone", models.CharField(max_length=60)),
                ("next_run_at", models.DateTimeField()),
                ("last_run_at", models.DateTimeField(null=True)),
                ("last_job_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ("next_run_at", "id"),
                "indexes": [models.Index(fields=["next_run_at"], name="jobs_schedule_due")],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "kind", "key"), name="jobs_schedule_once")
                ],
            },
        ),
        SharedTable(
            table="jobs_schedule",
            grants={
                "tenant": "SELECT, INSERT, UPDATE, DELETE",
                "dispatcher": "SELECT",
                "operator": "SELECT",
            },
        ),
    ]
