from django.conf import settings
from django.db import migrations, models

import apps.core.ids
from apps.core.database import SharedTable, role_name

# The table of ``tenants.lifecycle.TRANSITIONS``, which a test compares with what the database allows.
STATES = """
CREATE FUNCTION tenants_check_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id <> OLD.id OR NEW.schema_name <> OLD.schema_name THEN
    RAISE EXCEPTION 'a tenant keeps its id and its schema' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
    ('creating', 'ready'), ('ready', 'active'), ('active', 'suspended'), ('suspended', 'active'),
    ('active', 'deleting'), ('suspended', 'deleting'), ('deleting', 'active'), ('deleting', 'suspended'),
    ('deleting', 'gone')
  ) THEN
    RAISE EXCEPTION 'a tenant does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.erasure_started_at IS NOT NULL AND (
    NEW.state NOT IN ('deleting', 'gone') OR NEW.erasure_started_at IS DISTINCT FROM OLD.erasure_started_at
  ) THEN
    RAISE EXCEPTION 'the erasure has begun' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state = 'gone' AND NEW.erasure_started_at IS NULL THEN
    RAISE EXCEPTION 'a tenant is gone only after its erasure' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER tenants_check_step BEFORE UPDATE ON tenants_tenant
FOR EACH ROW EXECUTE FUNCTION tenants_check_step();
"""
EDGE = role_name(str(settings.DATABASES["default"]["NAME"]), "edge")


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        *(
            migrations.AddField(
                "tenant", name, models.CharField(blank=True, db_default="", max_length=length)
            )
            for name, length in (
                ("schema_version", 40),
                ("deletion_reason", 200),
                ("state_before_deletion", 12),
            )
        ),
        *(
            migrations.AddField("tenant", name, models.DateTimeField(null=True))
            for name in ("delete_requested_at", "erase_after", "erasure_started_at")
        ),
        migrations.AddField("tenant", "deletion_notify", models.JSONField(db_default=[], default=list)),
        migrations.CreateModel(
            name="TenantErasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField(unique=True)),
                ("slug", models.CharField(max_length=40)),
                ("schema_name", models.CharField(max_length=63)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("requested_at", models.DateTimeField()),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("removed", models.JSONField(default=dict)),
                ("kept", models.JSONField(default=dict)),
                ("checks", models.JSONField(default=list)),
            ],
            options={
                "ordering": ("-started_at",),
                "verbose_name": "certificate of erasure",
                "verbose_name_plural": "certificates of erasure",
            },
        ),
        migrations.RunSQL(
            STATES,
            "DROP TRIGGER tenants_check_step ON tenants_tenant; DROP FUNCTION tenants_check_step();",
        ),
        # The edge may change what the owner's pages change, and nothing else of the row.
        migrations.RunSQL(
            f'REVOKE UPDATE ON tenants_tenant FROM "{EDGE}"', f'GRANT UPDATE ON tenants_tenant TO "{EDGE}"'
        ),
        SharedTable(
            table="tenants_tenant",
            tenant_column="id",
            grants={
                "edge": "SELECT, UPDATE (slug, name, state, activated_at, delete_requested_at, erase_after, "
                "deletion_reason, deletion_notify, state_before_deletion)"
            },
            updates={
                "edge": (
                    "state IN ('ready', 'active', 'suspended', 'deleting') AND erasure_started_at IS NULL",
                    "state IN ('active', 'suspended', 'deleting')",
                )
            },
        ),
        SharedTable(
            table="tenants_domain",
            grants={"edge": "SELECT, INSERT, UPDATE (is_primary)"},
        ),
        # A finished certificate is never written again.
        SharedTable(
            table="tenants_tenanterasure",
            grants={"operator": "SELECT, UPDATE (finished_at, checks)"},
            updates={"operator": ("finished_at IS NULL", "true")},
        ),
    ]
