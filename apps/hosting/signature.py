"""What a hosted model takes and gives: named numbers in, a number or the probabilities of classes out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeGuard, cast

from apps.core.errors import FieldError

MAX_FEATURES: Final = 2000
MAX_CLASSES: Final = 1000
MAX_NAME: Final = 120
OUTPUTS: Final = ("regression", "probabilities")
FIELDS: Final = ("features", "output", "classes", "example")
EXAMPLE: Final = {"features": ["price", "stock"], "output": "regression", "example": [9.5, 120]}


@dataclass(frozen=True, slots=True)
class Signature:
    """``features`` in the order of the model's columns; ``classes`` only of probabilities; ``example`` is a row to try."""

    features: tuple[str, ...]
    output: Literal["regression", "probabilities"]
    classes: tuple[str, ...] = ()
    example: tuple[float | None, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is sent, stored and shown."""
        found: dict[str, Any] = {"features": list(self.features), "output": self.output}
        if self.classes:
            found["classes"] = list(self.classes)
        if self.example is not None:
            found["example"] = list(self.example)
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Signature:
        """What ``as_json`` gave, or was checked by ``faults_of``."""
        example = data.get("example")
        return cls(
            features=tuple(data["features"]),
            output=data["output"],
            classes=tuple(data.get("classes", ())),
            example=None if example is None else tuple(example),
        )


def faults_of(data: object) -> list[FieldError]:
    """Everything that is wrong with a signature that was sent; empty where nothing is."""
    if not isinstance(data, dict):
        return [
            FieldError(
                "not_an_object", f"The signature must be a JSON object such as {EXAMPLE}.", "/signature"
            )
        ]
    unknown = [
        FieldError(
            "unknown_field",
            f"There is no such field. The fields are: {', '.join(FIELDS)}.",
            f"/signature/{name[:80]}",
        )
        for name in data
        if name not in FIELDS
    ]
    return [*unknown[:20], *_features(data), *_output(data), *_example(data)]


def _features(data: dict[str, Any]) -> Iterator[FieldError]:
    yield from _names(data.get("features"), "features", 1, MAX_FEATURES)


def _output(data: dict[str, Any]) -> Iterator[FieldError]:
    output = data.get("output")
    if output not in OUTPUTS:
        yield FieldError(
            "unknown_output", f"The output must be one of {', '.join(OUTPUTS)}.", "/signature/output"
        )
    elif output == "probabilities":
        yield from _names(data.get("classes"), "classes", 2, MAX_CLASSES)
    elif "classes" in data:
        yield FieldError(
            "not_for_regression", "Only probabilities have classes. Leave it out.", "/signature/classes"
        )


def _names(value: object, field: str, least: int, most: int) -> Iterator[FieldError]:
    pointer = f"/signature/{field}"
    if not isinstance(value, list) or not least <= len(value) <= most:
        yield FieldError(
            "not_a_list", f"Give a list of {least} to {most} names, in the model's order.", pointer
        )
        return
    for index, each in enumerate(value):
        if not isinstance(each, str) or not 1 <= len(each) <= MAX_NAME or not each.isprintable():
            yield FieldError(
                "not_a_name", f"A name is a text of 1 to {MAX_NAME} characters.", f"{pointer}/{index}"
            )
            return
    if len(set(value)) < len(value):
        yield FieldError("duplicate", "Each name may stand once.", pointer)


def _example(data: dict[str, Any]) -> Iterator[FieldError]:
    example, features = data.get("example"), data.get("features")
    if example is None or not isinstance(features, list):
        return
    if not isinstance(example, list) or len(example) != len(features):
        detail = f"Give a number for each of the {len(features)} features, in their order."
        yield FieldError("wrong_length", detail, "/signature/example")
        return
    for index, each in enumerate(example):
        if not is_value(each):
            yield FieldError(
                "not_a_number",
                "Give a finite number, or null where it is missing.",
                f"/signature/example/{index}",
            )
            return


def is_value(value: object) -> TypeGuard[float | None]:
    """Whether it can stand for a feature: a finite number, or null for a missing one."""
    if value is None:
        return True
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(cast("float", value))
    except OverflowError:  # a whole number beyond what a float holds
        return False
