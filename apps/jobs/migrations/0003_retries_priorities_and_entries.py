import django.db.models.functions.datetime
from django.db import migrations, models

from apps.core.database import SharedTable


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0002_schedule"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("job_id", models.UUIDField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("state", "State"), ("stage", "Stage"), ("log", "Log")], max_length=8
                    ),
                ),
                ("level", models.CharField(default="info", max_length=8)),
                ("text", models.CharField(max_length=500)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.AddField(
            model_name="job",
            name="estimate",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="holder",
            field=models.CharField(blank=True, max_length=120),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="job",
            name="not_before",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="peak_rss_bytes",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="priority",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="retry_requested_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="timeout_seconds",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="schedule",
            name="paused_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["tenant_id", "queue", "-started_at"], name="jobs_served"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("retry_requested_at__isnull", False)),
                fields=["retry_requested_at"],
                name="jobs_to_retry",
            ),
        ),
        migrations.AddIndex(
            model_name="jobentry",
            index=models.Index(fields=["job_id", "id"], name="jobs_entry_by_job"),
        ),
        migrations.AddIndex(
            model_name="jobentry",
            index=models.Index(fields=["created_at"], name="jobs_entry_by_age"),
        ),
        SharedTable(
            table="jobs_job",
            grants={
                "tenant": "SELECT, INSERT, "
                "UPDATE (stage, percent, lease_until, cancel_requested_at, retry_requested_at)",
                "dispatcher": "SELECT, UPDATE",
                "operator": "SELECT, UPDATE",
            },
        ),
        SharedTable(
            table="jobs_jobentry",
            grants={
                "tenant": "SELECT, INSERT",
                "dispatcher": "SELECT, INSERT, DELETE",
                "operator": "SELECT",
            },
        ),
    ]
