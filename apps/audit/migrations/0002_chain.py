import hashlib
import json
import secrets

import django.db.models.deletion
from django.db import migrations, models

from apps.core.database import SharedTable

BATCH = 1000

# Nobody alters or empties the log, its owner included: who means to must first be seen switching this off.
REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION audit_refuse() FROM PUBLIC;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_auditevent ENABLE ALWAYS TRIGGER audit_append_only;
ALTER TABLE audit_seal ENABLE ALWAYS TRIGGER audit_append_only;
"""
ALLOW = """
DROP TRIGGER audit_append_only ON audit_auditevent;
DROP TRIGGER audit_append_only ON audit_seal;
DROP FUNCTION audit_refuse();
"""

# As the owner, so that who writes an event needs no right on the queue.
ENQUEUE = """
CREATE FUNCTION audit_enqueue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.audit_unsealed (event_id, chain) VALUES ($1, $2)', TG_TABLE_SCHEMA)
        USING NEW.id, coalesce(NEW.tenant_id, '00000000-0000-0000-0000-000000000000');
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION audit_enqueue() FROM PUBLIC;
CREATE TRIGGER audit_enqueue AFTER INSERT ON audit_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_enqueue();
ALTER TABLE audit_auditevent ENABLE ALWAYS TRIGGER audit_enqueue;
INSERT INTO audit_unsealed (event_id, chain)
    SELECT id, coalesce(tenant_id, '00000000-0000-0000-0000-000000000000') FROM audit_auditevent;
"""
DEQUEUE = """
DROP TRIGGER audit_enqueue ON audit_auditevent;
DROP FUNCTION audit_enqueue();
"""


def part(apps, schema_editor):
    """What earlier rows hold about people goes to its own table, and its digest into the row."""
    alias = schema_editor.connection.alias
    events = apps.get_model("audit", "AuditEvent").objects.using(alias)
    personal = apps.get_model("audit", "AuditPersonal").objects.using(alias)
    batch = []
    for event in events.order_by("id").iterator(chunk_size=BATCH):
        batch.append(event)
        if len(batch) == BATCH:
            _part(events, personal, batch)
            batch = []
    _part(events, personal, batch)


def _part(events, personal, batch):
    rows = []
    for event in batch:
        found = {"actor_label": event.actor_label, "ip": event.ip, "user_agent": event.user_agent}
        data = {name: value for name, value in found.items() if value}
        if not data:
            continue
        salt = secrets.token_bytes(16)
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        event.personal_digest = hashlib.sha256(salt + text.encode()).digest()
        rows.append(personal.model(event_id=event.id, tenant_id=event.tenant_id, salt=salt, data=data))
    personal.bulk_create(rows)
    events.bulk_update([event for event in batch if event.personal_digest], ["personal_digest"])


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="AuditPersonal",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="personal",
                        serialize=False,
                        to="audit.auditevent",
                    ),
                ),
                ("tenant_id", models.UUIDField(db_index=True, null=True)),
                ("salt", models.BinaryField(max_length=16)),
                ("data", models.JSONField()),
            ],
            options={"db_table": "audit_personal"},
        ),
        migrations.AddField(
            "auditevent", "personal_digest", models.BinaryField(default=bytes, max_length=32)
        ),
        migrations.RunPython(part, migrations.RunPython.noop),
        migrations.RemoveField("auditevent", "actor_label"),
        migrations.RemoveField("auditevent", "ip"),
        migrations.RemoveField("auditevent", "user_agent"),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="seal",
                        serialize=False,
                        to="audit.auditevent",
                    ),
                ),
                ("chain", models.UUIDField()),
                ("number", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "db_table": "audit_seal",
                "constraints": [
                    models.UniqueConstraint(fields=("chain", "number"), name="audit_seal_place"),
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1)), name="audit_seal_counts_from_one"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditUnsealed",
            fields=[
                ("event_id", models.UUIDField(primary_key=True, serialize=False)),
                ("chain", models.UUIDField()),
            ],
            options={"db_table": "audit_unsealed"},
        ),
        migrations.RunSQL(ENQUEUE, DEQUEUE),
        migrations.RunSQL(REFUSE, ALLOW),
        SharedTable(
            table="audit_auditevent",
            grants={
                "tenant": "SELECT, INSERT",
                "edge": "INSERT",
                "dispatcher": "INSERT",
                "billing": "INSERT",
                "operator": "SELECT, INSERT",
                "sealer": "SELECT",
            },
        ),
        SharedTable(
            table="audit_personal",
            grants={
                "tenant": "SELECT, INSERT",
                "edge": "INSERT",
                "dispatcher": "INSERT",
                "billing": "INSERT",
                "operator": "SELECT, INSERT",
            },
        ),
        SharedTable(
            table="audit_seal",
            grants={"tenant": "SELECT", "operator": "SELECT", "sealer": "SELECT, INSERT"},
            tenant_column="chain",
        ),
        SharedTable(
            table="audit_unsealed",
            grants={"operator": "SELECT", "sealer": "SELECT, DELETE"},
            tenant_column="chain",
        ),
    ]
