from django.db import migrations, models

from apps.core.database import SharedTable


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="UsageKeyCounter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("key_id", models.UUIDField()),
                ("period", models.CharField(max_length=7)),
                ("kind", models.CharField(max_length=30)),
                ("used", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "key_id", "period", "kind"), name="usage_key_counter_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("used__gte", 0)), name="usage_key_counter_used"
                    ),
                ],
            },
        ),
        SharedTable(
            table="usage_usagekeycounter",
            grants={
                "tenant": "SELECT",
                "ledger": "SELECT, INSERT, UPDATE (used)",
                "operator": "SELECT",
                "billing": "SELECT",
            },
        ),
    ]
