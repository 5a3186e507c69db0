"""Every address of both URLconfs, one line each: who may, with what, and how a right call is answered.

A new address needs a line here, or ``test_urls.py`` fails; from then on ``test_matrix.py`` walks it with wrong keys,
wrong roles, wrong hosts and other tenants' ids.
"""

from __future__ import annotations

from typing import Final

from tests.contracts.lines import (
    KEY,
    OPEN,
    OPERATOR,
    PERSON,
    STRIPE,
    File,
    Line,
    Of,
    api,
    bare,
    page,
)

PASSWORD: Final = "correct-horse-battery"  # of everybody in the world of these tests
NEW_PASSWORD: Final = "staple-battery-horse"
CSV: Final = "unique_id,ds,y\n" + "".join(f"a,2024-{month:02d}-01,{month}\n" for month in range(1, 13))
ANY: Final = "GET POST PUT PATCH DELETE"
INVITATION: Final = {"invitation_id": Of("invitation")}

API: Final[tuple[Line, ...]] = (
    api("GET", "forecasts", "forecasts:read"),
    api(
        "POST",
        "forecasts",
        "forecasts:run",
        json={"model": Of("model"), "horizon": 2, "series": [Of("series")]},
    ),
    api("GET", "forecasts/<str:forecast_id>", "forecasts:read", of={"forecast_id": Of("forecast")}),
    api("GET", "jobs", "jobs:read"),
    api("GET", "jobs/<str:job_id>", "jobs:read", of={"job_id": Of("job")}),
    api("POST", "jobs/<str:job_id>/cancel", "jobs:manage", 202, of={"job_id": Of("job")}),
    api("GET", "datasets", "datasets:read"),
    api("POST", "datasets", "datasets:write", 201, form={"file": File("new.csv", CSV), "name": "New"}),
    api("GET", "datasets/<slug:name>", "datasets:read", of={"name": Of("dataset")}),
    api("GET", "models", "models:read"),
    api("GET", "models/<slug:name>", "models:read", of={"name": Of("model")}),
    api("GET", "training-runs", "models:read"),
    api(
        "POST",
        "training-runs",
        "models:train",
        202,
        json={"dataset": Of("dataset"), "horizon": 3, "model": "new"},
    ),
    api("GET", "training-runs/<str:run_id>", "models:read", of={"run_id": Of("run")}),
    api(
        "POST",
        "explanations",
        "explain:run",
        202,
        json={"forecast": Of("forecast"), "series_id": Of("series", foreign=422), "step": 2},
    ),
    api(
        "GET", "explanations/<str:explanation_id>", "forecasts:read", of={"explanation_id": Of("explanation")}
    ),
    api("GET", "usage", "usage:read"),
    api("GET", "audit", "audit:read"),
    api("GET", "key", KEY),
    api("GET", "keys", "keys:manage"),
    api("POST", "keys", "keys:manage", 201, json={"name": "New", "scopes": ["usage:read"]}),
    api("GET DELETE", "keys/<str:key_id>", "keys:manage", of={"key_id": Of("key")}),
    api("PATCH", "keys/<str:key_id>", "keys:manage", of={"key_id": Of("key")}, json={"name": "Other"}),
    api("POST", "keys/<str:key_id>/rotate", "keys:manage", 201, of={"key_id": Of("key")}, json={}),
    api("POST", "leaked-keys", OPEN, json={"keys": ["alm_live_nothing"]}),
    api("GET", "members", "members:read"),
    api("GET", "members/<str:member_id>", "members:read", of={"member_id": Of("member")}),
    api(
        "PATCH",
        "members/<str:member_id>",
        "members:manage",
        of={"member_id": Of("member")},
        json={"role": "analyst"},
    ),
    api("DELETE", "members/<str:member_id>", "members:manage", 204, of={"member_id": Of("member")}),
    api("GET", "invitations", "members:read"),
    api(
        "POST",
        "invitations",
        "members:manage",
        201,
        json={"email": "new@example.com", "role": "viewer"},
    ),
    api("GET", "invitations/<str:invitation_id>", "members:read", of=INVITATION),
    api(
        "DELETE",
        "invitations/<str:invitation_id>",
        "members:manage",
        204,
        of=INVITATION,
    ),
    api(
        "POST",
        "invitations/<str:invitation_id>/resend",
        "members:manage",
        of=INVITATION,
    ),
)

PAGES: Final[tuple[Line, ...]] = (
    page("GET", "livez", OPEN),
    page("GET", "readyz", OPEN),
    page("GET", "docs/problems", OPEN),
    page("GET", "session/start/", OPEN, 302),
    page("GET", "session/<str:code>/", OPEN, 403, of={"code": "a-code-that-nobody-was-given"}),
    page("POST", "logout/", OPEN, 302),
    page("GET", "", "tenant:read"),
    page("GET", "glance/", "models:read"),
    page("GET", "datasets/", "datasets:read"),
    page("GET", "datasets/new/", "datasets:write"),
    page("POST", "datasets/new/", "datasets:write", 302, form={"file": File("new.csv", CSV)}, heavy=True),
    page("POST", "datasets/demo/", "datasets:write", 302, form={"name": "employment"}, heavy=True),
    page("GET", "datasets/sample.csv", "datasets:read"),
    page("GET", "datasets/uploads/<str:upload_id>/", "datasets:write", of={"upload_id": Of("upload")}),
    page(
        "POST",
        "datasets/uploads/<str:upload_id>/",
        "datasets:write",
        302,
        of={"upload_id": Of("upload")},
        form={"name": "Accepted", "time": "ds", "value": "y", "series": "unique_id"},
        heavy=True,
    ),
    page("GET", "datasets/<slug:slug>/", "datasets:read", of={"slug": Of("dataset")}),
    page(
        "POST",
        "training/of/<slug:slug>/",
        "models:train",
        302,
        of={"slug": Of("dataset", foreign=302)},
        form={"horizon": "3", "model_name": "new"},
    ),
    page("GET", "training/<str:run_id>/", "models:read", of={"run_id": Of("run")}),
    page("GET", "training/<str:run_id>/progress/", "models:read", of={"run_id": Of("run")}),
    page("GET", "models/", "models:read"),
    page("GET", "models/<slug:name>/", "models:read", of={"name": Of("model")}),
    page("GET", "forecasts/", "forecasts:read"),
    page(
        "POST",
        "forecasts/with/<slug:name>/",
        "forecasts:run",
        302,
        of={"name": Of("model")},
        form={"horizon": "2", "series": Of("series", foreign=302)},
    ),
    page("GET", "forecasts/<str:forecast_id>/", "forecasts:read", of={"forecast_id": Of("forecast")}),
    page("GET", "forecasts/<str:forecast_id>/csv/", "forecasts:read", of={"forecast_id": Of("forecast")}),
    page(
        "POST",
        "explanations/of/<str:forecast_id>/",
        "explain:run",
        302,
        of={"forecast_id": Of("forecast", foreign=302)},
        form={"series_id": Of("series", foreign=302), "step": "2"},
    ),
    page(
        "GET",
        "explanations/<str:explanation_id>/",
        "forecasts:read",
        of={"explanation_id": Of("explanation")},
    ),
    page(
        "GET",
        "explanations/<str:explanation_id>/status/",
        "forecasts:read",
        of={"explanation_id": Of("explanation")},
    ),
    page("GET", "api-keys/", "keys:manage"),
    page(
        "POST",
        "api-keys/create/",
        "keys:manage",
        201,
        form={"name": "New", "scopes": ["forecasts:run"], "expires": "30"},
    ),
    page("GET", "api-keys/<str:key_id>/", "keys:manage", of={"key_id": Of("key")}),
    page(
        "POST",
        "api-keys/<str:key_id>/change/",
        "keys:manage",
        302,
        of={"key_id": Of("key")},
        form={"name": "Other"},
    ),
    page(
        "POST",
        "api-keys/<str:key_id>/rotate/",
        "keys:manage",
        201,
        of={"key_id": Of("key")},
        form={"overlap": "24"},
    ),
    page("POST", "api-keys/<str:key_id>/revoke/", "keys:manage", 302, of={"key_id": Of("key")}),
    page("GET", "usage/", "usage:read"),
    page("GET", "plan/", "billing:read"),
    page("POST", "plan/checkout/<slug:code>/", "billing:manage", 303, of={"code": "team"}),
    page("POST", "plan/portal/", "billing:manage", 303),
    page("GET", "plan/return/", "billing:read", 302, query={"session_id": Of("checkout")}),
    page("GET", "plan/return/progress/", "billing:read", query={"plan": "team", "polls": "1"}),
    page("GET", "jobs/", "jobs:read"),
    page("GET", "jobs/<str:job_id>/", "jobs:read", of={"job_id": Of("job")}),
    page("GET", "jobs/<str:job_id>/status/", "jobs:read", of={"job_id": Of("job")}),
    page("POST", "jobs/<str:job_id>/cancel/", "jobs:manage", 302, of={"job_id": Of("job")}),
    page("GET", "audit/", "audit:read"),
    page("GET", "audit/export/", "audit:read"),
    page("GET", "members/", "members:read"),
    page(
        "POST",
        "members/invite/",
        "members:manage",
        302,
        form={"emails": "new@example.com", "role": "viewer", "days": "7", "message": ""},
    ),
    page("POST", "members/leave/", "tenant:read", (302, 409)),
    page(
        "POST",
        "members/<str:member_id>/role/",
        "members:manage",
        302,
        of={"member_id": Of("member")},
        form={"role": "analyst"},
    ),
    page("POST", "members/<str:member_id>/remove/", "members:manage", 302, of={"member_id": Of("member")}),
    page(
        "POST",
        "members/invitations/<str:invitation_id>/resend/",
        "members:manage",
        302,
        of=INVITATION,
    ),
    page(
        "POST",
        "members/invitations/<str:invitation_id>/revoke/",
        "members:manage",
        302,
        of=INVITATION,
    ),
    page("GET", "settings/", "tenant:manage"),
    page(
        "POST", "settings/rename/", "tenant:manage", 302, form={"company": "Another name", "address": "other"}
    ),
    page(
        "POST",
        "settings/hand-over/",
        "tenant:manage",
        302,
        form={"member": Of("member"), "password": PASSWORD},
    ),
    page(
        "POST",
        "settings/delete/",
        "tenant:manage",
        302,
        form={"typed": Of("slug", foreign=422), "password": PASSWORD},
    ),
    page("POST", "settings/keep/", "tenant:manage", 409, closing=302),
)

BARE: Final[tuple[Line, ...]] = (
    bare("GET", "livez", OPEN),
    bare("GET", "readyz", OPEN),
    bare("GET", "docs/problems", OPEN),
    bare("GET", "", OPEN),
    bare("GET", "signup/", OPEN),
    bare("POST", "signup/", OPEN, 422, form={"company": "Initech"}),
    bare("GET", "login/", OPEN, (200, 302)),
    bare("POST", "login/", OPEN, 422),
    bare("POST", "logout/", OPEN, 302),
    bare("GET", "tenants/", PERSON, 302),
    bare("GET", "enter/<slug:slug>/", PERSON, 302, of={"slug": Of("slug")}),
    bare("GET", "password/forgotten/", OPEN),
    bare("POST", "password/forgotten/", OPEN, form={"email": "owner@acme.example"}),
    bare("GET", "password/reset/<str:token>/", OPEN, of={"token": Of("reset_token", secret=True)}),
    bare(
        "POST",
        "password/reset/<str:token>/",
        OPEN,
        302,
        of={"token": Of("reset_token", secret=True)},
        form={"new": NEW_PASSWORD},
    ),
    bare("GET", "invitations/<str:token>/", OPEN, of={"token": Of("invitation_token", secret=True)}),
    bare(
        "POST",
        "invitations/<str:token>/",
        OPEN,
        302,
        of={"token": Of("invitation_token", secret=True)},
        form={"name": "New", "password": NEW_PASSWORD},
    ),
    bare("GET", "account/", PERSON),
    bare("POST", "account/name/", PERSON, 302, form={"name": "Another name"}),
    bare("POST", "account/password/", PERSON, 302, form={"old": PASSWORD, "new": NEW_PASSWORD}),
    bare("POST", "account/sessions/end-others/", PERSON, 302),
    bare("POST", "account/sessions/<str:session_id>/end/", PERSON, 302, of={"session_id": Of("session")}),
    bare("POST", "account/leave/<slug:slug>/", PERSON, 302, of={"slug": Of("slug")}, person="viewer"),
    bare("POST", "billing/stripe/webhook/", STRIPE, token=False),
)

# Django's admin site, whose views take every method but POST for GET: what may be done is its models' permissions.
CONSOLE_MODELS: Final = {
    "tenants/tenant": "tenant_row",
    "tenants/tenanterasure": "erasure_row",
    "jobs/job": "job_row",
    "events/event": "event_row",
    "usage/usageevent": "forecast_row",
    "audit/auditevent": "audit_row",
    "api_keys/apikey": "key_row",
    "accounts/user": "user_row",
    "accounts/membership": "membership_row",
}
_ROW: Final = "admin/{model}/<path:object_id>"
CONSOLE: Final[tuple[Line, ...]] = (
    bare(ANY, "admin/", OPERATOR),
    bare(ANY, "admin/login/", OPEN, 302),
    bare("GET", "admin/autocomplete/", OPERATOR, 403),
    bare("GET", "admin/jsi18n/", OPERATOR),
    *(
        bare(
            ANY,
            f"admin/tenants/tenant/<uuid:tenant_id>/{step}/",
            OPERATOR,
            of={"tenant_id": Of("tenant_row")},
        )
        for step in ("suspend", "reactivate", "rename", "request-deletion", "cancel-deletion")
    ),
    *(bare(ANY, f"admin/{model}/", OPERATOR) for model in CONSOLE_MODELS),
    *(bare(ANY, f"admin/{model}/add/", OPERATOR, 403) for model in CONSOLE_MODELS),
    *(
        bare(ANY, f"{_ROW.format(model=model)}/{end}", OPERATOR, right, of={"object_id": Of(kind)})
        for model, kind in CONSOLE_MODELS.items()
        for end, right in (("delete/", 403), ("change/", (200, 403)), ("", 302))
    ),
    bare(
        ANY,
        "admin/^(?P<app_label>tenants|jobs|usage|audit|api_keys|accounts)/$",
        OPERATOR,
        path="admin/jobs/",
    ),
    bare(ANY, "admin/(?P<url>.*)$", OPERATOR, 404, path="admin/nothing-here/"),
)

TABLE: Final[tuple[Line, ...]] = (*API, *PAGES, *BARE, *CONSOLE)
