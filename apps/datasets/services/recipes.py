"""Accepting what the doctor proposes: each choice is a recipe, and a version that is read through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core.errors import FieldError
from apps.datasets.doctor import catalogue
from apps.datasets.doctor.contracts import Step
from apps.datasets.errors import RecipeChanged, RecipeInvalid
from apps.datasets.models import Change, DatasetVersion
from apps.datasets.services import files, versions
from apps.datasets.services.changes import ask, told
from apps.datasets.services.versions import Facts, Reason

MAX_STEPS = 500


def accept_fixes(*, slug: str, steps: Sequence[Step], based_on: int | None = None) -> DatasetVersion:
    """Make ``steps`` the data set's recipe; the stored points stay as they are.

    ``based_on``: the number of the recipe that the choice was made from (0: none). Raises ``RecipeInvalid`` naming the
    step, and ``RecipeChanged`` where another was accepted since.
    """
    _check(steps)
    with transaction.atomic():
        dataset, parent = versions.lock(slug)
        number = parent.recipe.number if parent.recipe else 0
        if based_on is not None and based_on != number:
            raise RecipeChanged(number=number)
        if [step.to_json() for step in steps] == (parent.recipe.steps if parent.recipe else []):
            return parent
        recipe = versions.add_recipe(dataset, steps) if steps else None
        audit.record(
            action="dataset.recipe_accepted",
            target_type="dataset",
            target_id=dataset.public_id,
            changes={"dataset": slug, "recipe": recipe.number if recipe else None, "steps": len(steps)},
        )
        return versions.add_version(
            dataset,
            versions.parts_of(parent),
            Facts.of_version(parent),
            Reason(Change.RECIPE, note=_note(steps)),
            parent=parent,
            recipe=recipe,
            statics=parent.statics,
        )


def preview_fix(
    *, version: DatasetVersion, steps: Sequence[Step], series: Sequence[str] = ()
) -> dict[str, Any]:
    """What ``steps`` would change: counts, and stretches of a few series before and after. Raises ``RecipeInvalid``."""
    _check(steps)
    with files.entries(version) as entries:
        request = {
            **told(entries, version),
            "steps": [step.to_json() for step in steps],
            "series": list(series),
        }
        return ask("preview_fix", request)


def _check(steps: Sequence[Step]) -> None:
    errors = [
        FieldError("step_invalid", fault, pointer=f"/steps/{position}")
        for position, step in enumerate(steps)
        if (fault := catalogue.check(step))
    ]
    if len(steps) > MAX_STEPS:
        errors.append(
            FieldError("too_many_steps", f"A recipe has at most {MAX_STEPS} steps.", pointer="/steps")
        )
    if errors:
        raise RecipeInvalid(first=errors[0].detail, errors=errors)


def _note(steps: Sequence[Step]) -> str:
    if not steps:
        return "Without any fix"
    kinds = ", ".join(dict.fromkeys(step.code.replace("_", " ") for step in steps))
    return f"Fixes for {kinds}"[:300]
