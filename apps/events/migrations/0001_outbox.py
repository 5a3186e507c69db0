import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField(null=True)),
                ("type", models.CharField(max_length=60)),
                ("data", models.JSONField()),
                ("occurred_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("attempts", models.PositiveSmallIntegerField(db_default=0)),
                (
                    "next_attempt_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("mailed_at", models.DateTimeField(null=True)),
                ("gave_up_at", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, db_default="", max_length=300)),
                ("done_with", models.JSONField(db_default=[])),
            ],
            options={
                "ordering": ("-occurred_at", "-id"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("gave_up_at__isnull", True), ("mailed_at__isnull", True)),
                        fields=["next_attempt_at"],
                        name="events_due",
                    ),
                    models.Index(fields=["occurred_at"], name="events_by_age"),
                ],
            },
        ),
        SharedTable(
            table="events_event",
            grants={
                "tenant": "INSERT",
                "edge": "INSERT",
                "dispatcher": "INSERT",
                "billing": "INSERT",
                "operator": "SELECT, INSERT",
                "courier": "SELECT, DELETE, UPDATE "
                "(attempts, next_attempt_at, mailed_at, gave_up_at, last_error, done_with)",
            },
        ),
    ]
