from django.db import migrations, models

from apps.core.database import SharedTable


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="StripeCustomer",
            fields=[
                ("tenant_id", models.UUIDField(primary_key=True, serialize=False)),
                ("customer_id", models.CharField(max_length=64, null=True, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("synced_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="StripeEvent",
            fields=[
                ("event_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(db_index=True)),
                ("type", models.CharField(max_length=80)),
                ("occurred_at", models.DateTimeField()),
                ("received_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            ],
            options={
                "ordering": ("-received_at", "event_id"),
            },
        ),
        migrations.CreateModel(
            name="StripeSubscription",
            fields=[
                ("subscription_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(db_index=True)),
                ("customer_id", models.CharField(max_length=64)),
                ("status", models.CharField(max_length=24)),
                ("plan", models.CharField(blank=True, max_length=30)),
                ("price_id", models.CharField(blank=True, max_length=64)),
                ("current_period_end", models.DateTimeField(null=True)),
                ("cancel_at_period_end", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ("-created_at", "subscription_id"),
            },
        ),
        *(
            SharedTable(
                table=table,
                grants={"tenant": "SELECT", "billing": "SELECT, INSERT, UPDATE", "operator": "SELECT"},
            )
            for table in ("billing_stripecustomer", "billing_stripesubscription")
        ),
        SharedTable(table="billing_stripeevent", grants={"billing": "SELECT, INSERT", "operator": "SELECT"}),
    ]
