from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField(db_index=True, null=True)),
                ("occurred_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("actor_type", models.CharField(max_length=12)),
                ("actor_id", models.CharField(blank=True, max_length=64)),
                ("actor_label", models.CharField(blank=True, max_length=254)),
                ("action", models.CharField(db_index=True, max_length=60)),
                ("target_type", models.CharField(blank=True, max_length=40)),
                ("target_id", models.CharField(blank=True, max_length=200)),
                ("changes", models.JSONField(default=dict)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=300)),
                ("request_id", models.CharField(blank=True, max_length=80)),
                ("outcome", models.CharField(default="success", max_length=12)),
            ],
            options={
                "ordering": ("-occurred_at", "-id"),
                "indexes": [models.Index(fields=["tenant_id", "-occurred_at"], name="audit_by_tenant")],
            },
        ),
        SharedTable(
            table="audit_auditevent",
            grants={
                "tenant": "SELECT, INSERT",
                "edge": "INSERT",
                "dispatcher": "INSERT",
                "billing": "INSERT",
                "operator": "SELECT, INSERT",
            },
        ),
    ]
