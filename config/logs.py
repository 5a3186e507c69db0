"""Log lines: structlog, one event a line, JSON in production; secrets never."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_NAMES = re.compile(r"password|secret|token|authorization|cookie|api_key$|dsn|pepper", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"alm_(?:rk_)?(?:live|test)_\w{8}_\w+|whsec_\w+|sk_(?:live|test)_\w+|(?<=://)[^/@\s]*:[^/@\s]+(?=@)|(?<=password=)\S+"
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank values whose name says secret, and whatever looks like a key inside other values."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name) and name != "fencing_token":
        return "[redacted]"
    if isinstance(value, str):
        return _SECRET_VALUES.sub("[redacted]", value)
    if isinstance(value, dict):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", inner) for inner in value]
    return value


def configure(log_format: str, level: str) -> None:
    """Send our events and those of the libraries through one chain to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # The traceback becomes text before secrets are taken out; frames' local variables are never shown.
    shared += [structlog.processors.format_exc_info, redact]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("django.server").setLevel(logging.WARNING)
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):  # a line or two for each sweep
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("django.request").setLevel(logging.ERROR)  # our access log has a line for each 4xx
