"""The doctor's page: what was found, with plots, what is done about it, and what could be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts.permissions import require
from apps.core.errors import AppError
from apps.datasets import queries, services
from apps.datasets.doctor import catalogue
from apps.datasets.doctor.contracts import Finding, Step
from apps.datasets.views.frame import may, page_of

FIELD = "fix"
LEAVE = ""


@require_http_methods(["GET", "POST"])
@require("datasets:read")
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The report of the newest version; a POST accepts the chosen fixes, or previews them."""
    dataset = queries.get_dataset(slug=slug)
    version = queries.get_current_version(dataset=dataset)
    current = queries.steps_of(version)
    preview, error, status = None, None, 200
    chosen = current
    if request.method == "POST":
        chosen = _asked(request, current, version.findings)
        try:
            if "accept" in request.POST and may(request, "datasets:write"):
                services.accept_fixes(slug=slug, steps=chosen, based_on=_based_on(request))
                messages.success(request, "The recipe is accepted. The stored points are as they were.")
                return redirect("datasets:doctor", slug)
            preview = services.preview_fix(version=version, steps=chosen)
        except AppError as refused:
            error, status = refused, 422
    context = {
        **page_of(request, dataset, version, "doctor"),
        "findings": shown_findings(version.findings, chosen),
        "steps": [(number, catalogue.describe(step)) for number, step in enumerate(current)],
        "recipe": version.recipe,
        "preview": preview and _preview(preview),
        "error": error,
        "history": list(queries.list_recipes(dataset=dataset)[:20]),
    }
    return render(request, "datasets/doctor.html", context, status=status)


def shown_findings(
    findings: Iterable[Mapping[str, Any]], chosen: Iterable[Step] = ()
) -> list[dict[str, Any]]:
    """Findings with their choices of fixes and plots of their examples."""
    fixes = {_key(step.code, step.params.get("column")): step.fix for step in chosen if step.series is None}
    return [
        {
            **finding,
            "field": f"{FIELD}:{_key(finding['code'], finding.get('column'))}",
            "chosen": fixes.get(_key(finding["code"], finding.get("column")), LEAVE),
            "charts": [_chart(each) for each in finding.get("examples") or ()],
        }
        for finding in findings
    ]


def chosen_steps(data: Mapping[str, Any], findings: Iterable[Finding]) -> list[Step]:
    """The steps that a form's choices stand for."""
    made = []
    for finding in findings:
        name = data.get(f"{FIELD}:{_key(finding.code, finding.column)}", LEAVE)
        fix = next((each for each in finding.fixes if each.name == name), None)
        if fix is not None:
            made.append(Step(finding.code, fix.name, fix.params))
    return made


def _asked(request: HttpRequest, current: list[Step], stored: list[dict[str, Any]]) -> list[Step]:
    """The recipe as the page's form has it: its choices, and the steps of kinds that are not on the page."""
    findings = [Finding.from_json(queries.finding_fields(each)) for each in stored]
    on_page = {(finding.code, finding.column) for finding in findings if finding.fixes}
    removed = {int(number) for number in request.POST.getlist("remove") if number.isdigit()}
    kept = [
        step
        for number, step in enumerate(current)
        if number not in removed
        and ((step.code, step.params.get("column")) not in on_page or step.series is not None)
    ]
    return [*kept, *chosen_steps(request.POST, findings)]


def _based_on(request: HttpRequest) -> int | None:
    number = request.POST.get("based_on", "")
    return int(number) if number.isdigit() else None


def _key(code: str, column: object) -> str:
    return f"{code}:{column}" if column else code


def _chart(example: Mapping[str, Any]) -> dict[str, Any]:
    series = [{"id": str(example["series_id"]), "ds": example["ds"], "y": example["before"]}]
    if example.get("after"):
        series.append({"id": "with the proposed fix", "ds": example["ds"], "y": example["after"]})
    return {"series": series}


def _preview(said: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, "charts": [_chart(each) for each in said["examples"]]}
