"""The one family of errors that use cases raise; it knows no HTTP (``problems.py`` maps it)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, ClassVar

from apps.engine.errors import EngineError


class Kind(enum.Enum):
    """What sort of failure it is; one table in ``problems.py`` gives each its status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    PAYMENT_REQUIRED = "payment_required"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    UNPROCESSABLE = "unprocessable"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault inside the input: where it stands and what is wrong with it.

    Exactly one of ``pointer`` (JSON pointer into the body), ``column`` or ``row`` (1-based line of the file) is
    usually set; a file's cell sets both ``row`` and ``column``.
    """

    code: str
    detail: str
    pointer: str | None = None
    column: str | None = None
    row: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The members that are set, for a problem document."""
        names = ("pointer", "column", "row", "code", "detail")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


class AppError(Exception):
    """A failure with a stable ``code`` and typed fields; the message is formatted from the fields.

    Subclasses set the four class variables. ``template`` names the fields that the constructor must be given.
    """

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "invalid"
    title: ClassVar[str] = "The request is not valid"
    template: ClassVar[str] = "{detail}"
    retryable: ClassVar[bool] = False

    def __init__(
        self, *, errors: list[FieldError] | None = None, retry_after_seconds: int | None = None, **fields: Any
    ) -> None:
        self.fields = fields
        self.errors = errors or []
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.template.format(**fields))

    @property
    def detail(self) -> str:
        """The sentence a person reads."""
        return str(self)


class NotFound(AppError):
    """The object is absent, or another tenant's: both answer alike."""

    kind = Kind.NOT_FOUND
    code = "not_found"
    title = "Not found"
    template = "There is no {what} {name!r} here."


class Forbidden(AppError):
    """The caller is known but may not do this."""

    kind = Kind.FORBIDDEN
    code = "forbidden"
    title = "Not allowed"
    template = "This needs the permission {permission!r}, which your role or key does not have."


class RateLimited(AppError):
    """Too many calls in a short time."""

    kind = Kind.RATE_LIMITED
    code = "rate_limited"
    title = "Too many requests"
    template = "Too many {what}: try again in {retry_after} s."
    retryable = True


class EngineFailure(AppError):
    """An error of the engine in our family: same kind, code, title and fields."""

    def __init__(self, error: EngineError) -> None:
        self.kind = Kind(error.kind)  # type: ignore[misc]
        self.code = error.code  # type: ignore[misc]
        self.title = error.title  # type: ignore[misc]
        super().__init__(detail=error.detail)
        self.fields = {**error.fields, "detail": error.detail}
