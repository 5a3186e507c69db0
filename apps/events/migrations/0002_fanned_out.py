from django.db import migrations, models

from apps.core.database import SharedTable


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0001_outbox"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="fanned_out_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("fanned_out_at__isnull", True)),
                fields=["occurred_at", "id"],
                name="events_to_fan_out",
            ),
        ),
        # What happened before webhooks were there is not told to them.
        migrations.RunSQL("UPDATE events_event SET fanned_out_at = now()", migrations.RunSQL.noop),
        SharedTable(
            table="events_event",
            grants={
                "tenant": "INSERT",
                "edge": "INSERT",
                "dispatcher": "INSERT",
                "billing": "INSERT",
                "operator": "SELECT, INSERT",
                "courier": "SELECT, DELETE, UPDATE "
                "(attempts, next_attempt_at, mailed_at, gave_up_at, last_error, done_with, fanned_out_at)",
            },
        ),
    ]
