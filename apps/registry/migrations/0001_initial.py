import django.db.models.deletion
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("datasets", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Model",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.SlugField(max_length=80, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="datasets.dataset"
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="ModelVersion",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("algorithm", models.CharField(max_length=60)),
                ("label", models.CharField(max_length=120)),
                ("bundle_sha256", models.CharField(max_length=64)),
                ("bundle_path", models.CharField(max_length=200)),
                ("bundle_bytes", models.BigIntegerField()),
                ("job_id", models.UUIDField(unique=True)),
                ("metrics", models.JSONField(default=dict)),
                ("notes", models.JSONField(default=list)),
                ("horizon_max", models.PositiveIntegerField()),
                ("levels", models.JSONField(default=list)),
                ("frequency", models.CharField(max_length=20)),
                ("series_count", models.PositiveIntegerField()),
                ("cutoff", models.CharField(max_length=40)),
                ("seed", models.BigIntegerField()),
                ("code_version", models.CharField(max_length=40)),
                ("mlflow_run_id", models.CharField(blank=True, max_length=64)),
                ("mlflow_name", models.CharField(blank=True, max_length=160)),
                ("mlflow_version", models.CharField(blank=True, max_length=20)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "dataset_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="datasets.datasetversion",
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="registry.model",
                    ),
                ),
            ],
            options={
                "ordering": ("-number",),
            },
        ),
        migrations.AddField(
            model_name="model",
            name="champion",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="registry.modelversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.UniqueConstraint(fields=("model", "number"), name="registry_version_number"),
        ),
    ]
