from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("explanations", "0001_initial")]

    operations = [
        migrations.AddField(
            "explanation", "note", models.CharField(db_default="", default="", max_length=20)
        ),
        migrations.RunSQL("UPDATE explanations_explanation SET note = 'older'", migrations.RunSQL.noop),
    ]
