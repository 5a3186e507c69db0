import django.db.models.deletion
from django.db import migrations, models

# What is known of versions that stand already: a change of frequency, horizon or levels is a major one, new points
# without training say so in their first note, and everything else was trained again.
NUMBER = """
WITH told AS (
    SELECT id, model_id, number,
        coalesce(notes ->> 0, '') LIKE 'New points were brought into version %' AND number > min(number) OVER model AS refreshed,
        concat_ws('|', frequency, horizon_max, levels)
            IS DISTINCT FROM lag(concat_ws('|', frequency, horizon_max, levels)) OVER model AS breaks
    FROM registry_modelversion
    WINDOW model AS (PARTITION BY model_id ORDER BY number)
), majors AS (
    SELECT *, count(*) FILTER (WHERE breaks) OVER (PARTITION BY model_id ORDER BY number) AS major FROM told
), minors AS (
    SELECT *, count(*) FILTER (WHERE NOT breaks AND NOT refreshed) OVER (PARTITION BY model_id, major ORDER BY number)
        AS minor FROM majors
), patches AS (
    SELECT *, count(*) FILTER (WHERE NOT breaks AND refreshed) OVER (PARTITION BY model_id, major, minor ORDER BY number)
        AS patch FROM minors
)
UPDATE registry_modelversion v SET semver = major || '.' || minor || '.' || patch
FROM patches p WHERE p.id = v.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.AddField("modelversion", "semver", models.CharField(default="", max_length=40), False),
        migrations.RunSQL(NUMBER, migrations.RunSQL.noop),
        migrations.AlterField("modelversion", "semver", models.CharField(max_length=40)),
        migrations.AddField("modelversion", "archived_at", models.DateTimeField(null=True)),
        migrations.AddField("modelversion", "params", models.JSONField(default=dict)),
        migrations.AddField("modelversion", "schema", models.JSONField(default=dict)),
        migrations.AddField("model", "retired", models.JSONField(default=list)),
        *(
            migrations.AddField(
                "model",
                alias,
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="registry.modelversion",
                ),
            )
            for alias in ("challenger", "previous")
        ),
        migrations.AddConstraint(
            "modelversion",
            models.UniqueConstraint(fields=("model", "semver"), name="registry_version_semver"),
        ),
    ]
