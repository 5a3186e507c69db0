import django.contrib.postgres.fields
from django.db import migrations, models

from apps.core.database import SharedTable

# Raised at commit, when nothing else will be locked any more, so that changes wait for each other only that long.
# The number also follows the clock: after the table was emptied or restored, it is none that anybody has seen.
# SECURITY DEFINER: whoever may make the change need not be able to touch the number.
VERSION = """
CREATE FUNCTION api_keys_raise_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO api_keys_accessversion AS v (id, version)
  VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
  ON CONFLICT (id) DO UPDATE SET version = greatest(v.version + 1, EXCLUDED.version);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION api_keys_raise_version() FROM PUBLIC;
"""
_TRIGGER = """
CREATE CONSTRAINT TRIGGER {name} AFTER {event} ON {table} DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW {when} EXECUTE FUNCTION api_keys_raise_version();
"""
_UNUSED = "to_jsonb({row}) - 'last_used_at' - 'last_used_ip' - 'expiry_notice'"
# Nothing is remembered of a key that is not there, nor has a tenant that was never active any key.
TRIGGERS = {
    "api_keys_changed": (
        "UPDATE",
        "api_keys_apikey",
        f"WHEN ({_UNUSED.format(row='OLD')} IS DISTINCT FROM {_UNUSED.format(row='NEW')})",
    ),
    "api_keys_deleted": ("DELETE", "api_keys_apikey", ""),
    "api_keys_tenant_changed": (
        "UPDATE",
        "tenants_tenant",
        "WHEN (OLD.state NOT IN ('creating', 'ready') AND "
        "(OLD.state, OLD.slug, OLD.name) IS DISTINCT FROM (NEW.state, NEW.slug, NEW.name))",
    ),
    "api_keys_limits_changed": (
        "UPDATE",
        "tenants_tenantlimits",
        "WHEN (to_jsonb(OLD) - 'updated_at' IS DISTINCT FROM to_jsonb(NEW) - 'updated_at')",
    ),
    "api_keys_limits_deleted": ("DELETE", "tenants_tenantlimits", ""),
    "api_keys_member_changed": (
        "UPDATE",
        "accounts_membership",
        "WHEN ((OLD.role, OLD.user_id, OLD.tenant_id) IS DISTINCT FROM (NEW.role, NEW.user_id, NEW.tenant_id))",
    ),
    "api_keys_member_deleted": ("DELETE", "accounts_membership", ""),
    "api_keys_person_changed": (
        "UPDATE",
        "accounts_user",
        "WHEN (OLD.is_active IS DISTINCT FROM NEW.is_active)",
    ),
}
CREATE = VERSION + "".join(
    _TRIGGER.format(name=name, event=event, table=table, when=when)
    for name, (event, table, when) in TRIGGERS.items()
)
DROP = (
    "".join(f"DROP TRIGGER {name} ON {table}; " for name, (_event, table, _when) in TRIGGERS.items())
    + "DROP FUNCTION api_keys_raise_version();"
)


class Migration(migrations.Migration):
    dependencies = [
        ("api_keys", "0001_initial"),
        ("tenants", "0002_life_cycle"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            "apikey", "mode", models.CharField(db_default="live", default="live", max_length=4)
        ),
        migrations.AddField("apikey", "restricted", models.BooleanField(db_default=False, default=False)),
        migrations.AddField(
            "apikey",
            "networks",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=50), db_default=[], default=list, size=None
            ),
        ),
        migrations.AddField("apikey", "requests_per_minute", models.PositiveIntegerField(null=True)),
        migrations.AddField("apikey", "points_per_month", models.BigIntegerField(null=True)),
        *(
            migrations.AddField("apikey", name, models.UUIDField(null=True))
            for name in ("owner_id", "membership_id", "replaced_by", "origin_id")
        ),
        *(
            migrations.AddField("apikey", name, models.DateTimeField(null=True))
            for name in ("rotated_at", "rotating_until")
        ),
        migrations.AddField("apikey", "last_used_ip", models.GenericIPAddressField(null=True)),
        migrations.AddField("apikey", "expiry_notice", models.PositiveSmallIntegerField(null=True)),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(condition=models.Q(("mode__in", ["live", "test"])), name="api_key_mode"),
        ),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(
                condition=models.Q(
                    ("owner_id__isnull", True), ("membership_id__isnull", False), _connector="OR"
                ),
                name="api_key_owner_is_a_member",
            ),
        ),
        migrations.CreateModel(
            name="AccessVersion",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("version", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="api_keys_one_version")
                ],
            },
        ),
        SharedTable(table="api_keys_accessversion", tenant_column=None, grants={"edge": "SELECT"}),
        SharedTable(
            table="api_keys_apikey",
            grants={
                "edge": "SELECT, UPDATE (last_used_at, last_used_ip)",
                "tenant": "SELECT, INSERT, UPDATE (revoked_at, name, networks, requests_per_minute, "
                "points_per_month, rotated_at, rotating_until, replaced_by, expiry_notice)",
                "operator": "SELECT, UPDATE (revoked_at)",
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
