from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Explanation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("forecast_id", models.UUIDField()),
                ("series_id", models.TextField()),
                ("step", models.PositiveIntegerField()),
                ("job_id", models.UUIDField(unique=True)),
                ("method", models.CharField(blank=True, max_length=60)),
                ("result", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ("-created_at",),
                "indexes": [
                    models.Index(fields=["forecast_id", "series_id", "step"], name="explanations_by_point")
                ],
            },
        ),
    ]
