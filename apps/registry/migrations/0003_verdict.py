from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0002_aliases_and_semantic_versions"),
    ]

    operations = [
        migrations.AddField("modelversion", "verdict", models.JSONField(default=dict)),
    ]
