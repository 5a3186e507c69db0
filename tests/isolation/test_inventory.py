"""Every column that can hold a tenant's text carries a canary in the drill, or stands here with the reason why not."""

from __future__ import annotations

import functools
import json
import random
from typing import Any, Final

from django.db import connections

from apps.core.scope import SystemRole
from apps.events import courier
from apps.webhooks import fanning_out
from tenants import erasing
from tenants import services as tenants
from tenants.context import system_scope
from tests.brought import TREE
from tests.contracts.lines import File
from tests.isolation.asking import BARE, Ask, Caller
from tests.isolation.cast import COMPANIES, Company
from tests.isolation.machine import Drill
from tests.isolation.watching import LogLines

# Why no text of a tenant's reaches a column -> the columns.
REASONS: Final[dict[str, str]] = {
    "one of our own words": """
        accounts_invitation.role accounts_membership.role api_keys_apikey.mode api_keys_apikey.scopes
        audit_auditevent.action audit_auditevent.actor_type audit_auditevent.outcome audit_auditevent.target_type
        billing_stripeevent.type billing_stripesubscription.plan billing_stripesubscription.status
        datasets_dataset.origin datasets_datasetversion.change datasets_datasetversion.frequency
        datasets_datasetversion.note datasets_source.kind datasets_source.mode datasets_source.outcome datasets_storedfile.kind
        datasets_upload.state events_event.type hosting_hostedversion.format jobs_schedule.kind
        explanations_explanation.method jobs_job.actor_type jobs_jobentry.kind jobs_jobentry.level
        webhooks_delivery.type webhooks_delivery.state webhooks_delivery.message_id webhooks_endpoint.types
        jobs_job.holder jobs_job.kind jobs_job.queue jobs_job.stage jobs_job.state
        registry_modelversion.algorithm registry_modelversion.code_version registry_modelversion.frequency
        registry_modelversion.label registry_modelversion.levels registry_modelversion.semver
        tenants_tenant.schema_version tenants_tenant.state
        tenants_tenant.state_before_deletion tenants_tenantlimits.plan training_trainingpolicy.policy
        training_trainingrun.features training_trainingrun.origin training_trainingrun.policy training_trainingrun.selected
        training_trainingrun.standings usage_usagecounter.kind usage_usageevent.kind usage_usagekeycounter.kind""",
    "a hash, a digest, a secret's end, or an id that is none of the drill's forms": """
        accounts_login.session_key accounts_user.password api_keys_apikey.digest api_keys_apikey.last4
        api_keys_apikey.public_id datasets_datasetversion.sha256
        datasets_storedfile.path datasets_storedfile.sha256 datasets_upload.path
        datasets_upload.sha256 hosting_hostedversion.path hosting_hostedversion.sha256
        django_session.session_data django_session.session_key registry_modelversion.bundle_path
        registry_modelversion.bundle_sha256 training_trainingrun.backtest_path training_trainingrun.backtest_sha256
        training_trainingrun.checkpoints usage_usageevent.request_id""",
    "numbers and times": """
        datasets_datasetversion.counts datasets_datasetversion.first_ds datasets_datasetversion.last_ds
        datasets_source.cron datasets_source.timezone jobs_job.estimate jobs_schedule.cron jobs_schedule.zone
        registry_model.retired registry_modelversion.cutoff
        registry_modelversion.metrics training_trainingpolicy.cron training_trainingpolicy.zone
        training_trainingrun.coverage training_trainingrun.leaderboard
        usage_usagecounter.period usage_usageevent.period usage_usagekeycounter.period""",
    "networks, which are numbers": "api_keys_apikey.networks",
    "what the other side of a source answered; the tests of sources do": "datasets_source.marker datasets_source.message",
    "the engine's words about series and columns, which the long drill's own training makes": """
        registry_modelversion.notes registry_modelversion.params registry_modelversion.schema
        registry_modelversion.verdict
        training_trainingrun.breakdown training_trainingrun.notes jobs_job.error jobs_jobentry.text""",
    "what the sandbox says of a file; the tensors of the drill's have no names": "hosting_hostedversion.report",
    "MLflow's ids, and names that begin with the schema; the long drill trains, and reads MLflow's own tables": """
        registry_modelversion.mlflow_name registry_modelversion.mlflow_run_id registry_modelversion.mlflow_version""",
    "Stripe's ids": """
        billing_stripecustomer.customer_id billing_stripeevent.event_id billing_stripesubscription.customer_id
        billing_stripesubscription.price_id billing_stripesubscription.subscription_id""",
    "only failing mail servers say something there; the courier's tests do": "events_event.last_error",
    "what receivers answered, and why none did; the tests of webhooks do": """
        webhooks_attempt.answer webhooks_attempt.error webhooks_endpoint.disabled_reason""",
    "Django's own tables, which no tenant writes and no role reads": """
        auth_group.name auth_permission.codename auth_permission.name django_admin_log.change_message
        django_admin_log.object_id django_admin_log.object_repr django_content_type.app_label django_content_type.model
        django_migrations.app django_migrations.name""",
    "counts, and the certificate of what is gone": """
        tenants_tenanterasure.checks tenants_tenanterasure.kept tenants_tenanterasure.removed""",
}
EXEMPT: Final = {column: reason for reason, columns in REASONS.items() for column in columns.split()}


def test_every_text_column_carries_a_canary_or_a_reason(stage: LogLines) -> None:
    Drill.log = stage
    run = Drill()
    _fill(run)
    carrying, columns = _carrying(run), _text_columns(run)
    assert sorted(columns - carrying - EXEMPT.keys()) == [], (
        "nothing that a tenant fills in reaches these columns: have the drill fill them, or say in REASONS why no tenant can"
    )
    assert sorted(EXEMPT.keys() & carrying) == [], "these columns do carry what tenants fill in"
    assert sorted(EXEMPT.keys() - columns) == [], "there are no such columns any more"


def _fill(run: Drill) -> None:
    """One of everything for each company, besides what the cast begins with; one of them is erased at the end."""
    dice = random.Random(1)
    for name in COMPANIES:
        company = run.cast.companies[name]
        for method, path, sent in _calls(run, company):
            answer = run.call(company, dice, method, f"/v1/{path}", **sent)
            assert answer.status_code < 300, (path, answer.text)
        run.work(most=3)
        run.step_of_life(company, "suspend")
    for person in run.cast.people.values():
        run.log_in(person)
        run.watch.ask(
            Caller(person=person),
            Ask("POST", BARE, "/password/forgotten/", form={"email": person.user.email}),
        )
    with system_scope(SystemRole.COURIER):
        courier.deliver()
        fanning_out.fan_out()
    with system_scope(SystemRole.OPERATOR):
        for name in COMPANIES:
            _ask_for_deletion(run, name)
    erasing.erase(
        next(tenant for tenant in erasing.list_due() if tenant.id == run.cast.companies["initech"].key.id)
    )


def _calls(run: Drill, company: Company) -> list[tuple[str, str, dict[str, Any]]]:
    word, things = functools.partial(run.cast.canaries.word, company.name), company.things
    point = {"forecast": things["forecast"][0], "series_id": things["series"][0], "step": 1}
    dataset = f"datasets/{things['dataset'][0]}"
    expected = {"kind": "range", "column": "y", "min": -1e12, "name": word()}
    step = {"code": "outliers", "fix": "as_missing", "series": [things["series"][0]]}
    row = {"unique_id": things["series"][0], "ds": "2031-01-01", "y": 1}
    source = {
        "name": word(),
        "kind": "https",
        "config": {"url": f"https://{word()}.example/"},
        "secret": {"bearer": word()},
        "cron": "0 6 * * *",
    }
    signature = {"features": [word(), word()], "output": "regression"}
    hosted = {"file": File("tree.txt", TREE), "name": word(), "signature": json.dumps(signature)}
    leak = {"token": company.keys[1], "type": "key", "url": f"https://{word()}.example", "source": word()}
    return [
        ("POST", "datasets", {"form": {"file": run.csv(company.name), "name": f"Sales {word()}"}}),
        (
            "POST",
            "training-runs",
            {
                "body": {
                    "dataset": things["dataset"][0],
                    "horizon": 900,
                    "model": word(),
                    "events": [{"name": word(), "times": ["2031-01-01"]}],
                }
            },
        ),
        ("PUT", f"models/{things['model'][0]}/training-policy", {"body": {"cron": "0 6 * * 1"}}),
        ("POST", "forecasts", {"body": {"model": things["model"][0], "horizon": 2}}),
        ("POST", "explanations", {"body": point}),
        ("POST", "keys", {"body": {"name": f"Key {word()}", "scopes": ["usage:read"], "mode": "test"}}),
        ("PATCH", dataset, {"body": {"description": word()}}),
        ("PUT", f"{dataset}/expectations", {"body": {"expectations": [expected]}}),
        ("PUT", f"{dataset}/recipe", {"body": {"steps": [step]}}),
        ("POST", f"{dataset}/observations", {"body": {"observations": [row]}}),
        ("POST", "sources", {"body": source}),
        ("POST", "webhooks", {"body": {"url": f"https://93.184.216.34/{word()}", "description": word()}}),
        ("POST", "hosted-models", {"form": hosted}),
        ("POST", "leaked-keys", {"body": [leak]}),
    ]


def _ask_for_deletion(run: Drill, name: str) -> None:
    word = functools.partial(run.cast.canaries.word, name)
    notify = [f"{word()}@{word()}.example"]
    key = run.cast.companies[name].key
    tenants.request_deletion(tenant_id=key.id, reason=f"No need of {word()}", grace_days=0, notify=notify)


def _text_columns(run: Drill) -> set[str]:
    """``table.column`` of every column that holds text or JSON, shared or of a tenant."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns"
            " WHERE table_schema IN ('public', %s) AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY')",
            [run.cast.companies["acme"].key.schema],
        )
        return {name for (name,) in cursor.fetchall()}


def _carrying(run: Drill) -> set[str]:
    """Those that hold a word of the drill's."""
    found = set()
    with connections["owner"].cursor() as cursor:
        for name in _text_columns(run):
            table, _, column = name.partition(".")
            for schema in ("public", run.cast.companies["acme"].key.schema):
                cursor.execute("SELECT to_regclass(%s)", [f'"{schema}"."{table}"'])
                if cursor.fetchone() == (None,):
                    continue
                cursor.execute(
                    f'SELECT "{column}"::text FROM "{schema}"."{table}" WHERE "{column}" IS NOT NULL'
                )
                if any(run.cast.canaries.tokens(text) for (text,) in cursor.fetchall()):
                    found.add(name)
    return found
