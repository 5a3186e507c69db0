"""Reports of keys that were found in the open: whoever presents the whole text of a key proves the leak."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

from apps.accounts import queries as accounts
from apps.api_keys import access, services, text
from apps.api_keys.errors import KeyRefused, LeakReportRefused, LeakReportTooLarge, LeakReportUnsigned
from apps.api_keys.queries import KeyRow
from apps.core import request_context, throttle
from apps.core.errors import RateLimited
from apps.core.throttle import Limit
from tenants.context import tenant_scope

MOST_KEYS: Final = 100
MOST_BYTES: Final = 64 * 1024
REPORTS: Final = Limit("leak-reports", 30, 60)
Result = Literal["revoked", "not_ours"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One text that was found, and where. ``type`` is what a scanner called it."""

    token: str
    source: str = ""
    url: str = ""
    type: str = ""

    @property
    def digest(self) -> str:
        """By which the reporter knows the text again without our sending it back."""
        return base64.b64encode(hashlib.sha256(self.token.encode()).digest()).decode()


def count_report() -> None:
    """Count a report of the caller's network; raises ``RateLimited``."""
    wait = throttle.hit(REPORTS, throttle.network_of(request_context.current().ip))
    if wait > 0:
        seconds = access.whole_seconds(wait)
        raise RateLimited(what="reports", retry_after=seconds, retry_after_seconds=seconds)


def read(body: Any) -> list[Finding]:
    """The findings of a report: ``{"keys": […], "source", "url"}``, or GitHub's list of ``{"token", "type", "url",
    "source"}``. Raises ``LeakReportRefused`` or ``LeakReportTooLarge``."""
    if isinstance(body, dict) and isinstance(body.get("keys"), list):
        place = (_said(body.get("source", "")), _said(body.get("url", "")))
        found = [Finding(_text(key), *place) for key in body["keys"]]
    elif isinstance(body, list) and all(isinstance(each, dict) for each in body):
        found = [
            Finding(
                _text(each.get("token", "")),
                *(_said(each.get(name, "")) for name in ("source", "url", "type")),
            )
            for each in body
        ]
    else:
        raise LeakReportRefused(
            detail='Send {"keys": ["alm_…"], "source": "…", "url": "…"}, or a list of {"token", "type", "url", "source"}.'
        )
    if not found:
        raise LeakReportRefused(detail="The report holds no key.")
    if len(found) > MOST_KEYS:
        raise LeakReportTooLarge(keys=MOST_KEYS, bytes=MOST_BYTES)
    return found


def check_signature(body: bytes, *, identifier: str, signature: str, required: bool) -> None:
    """Raises ``LeakReportUnsigned`` unless GitHub signed ``body``.

    Nothing is asked where no public keys are configured, or where the report neither claims a signature nor needs
    one (``required``).
    """
    known: dict[str, str] = settings.LEAK_REPORT_KEYS
    if not known or not (required or identifier or signature):
        return
    if identifier not in known:
        raise LeakReportUnsigned(detail="The report names no public key that is known here.")
    try:
        key = load_pem_public_key(known[identifier].encode())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        raise LeakReportUnsigned(
            detail="The signature does not belong to the report and its public key."
        ) from None


def report(*, findings: Sequence[Finding]) -> list[Result]:
    """Revoke what is ours, once, and tell its owners; an answer for each finding, in their order. Runs as the
    edge."""
    answers = {
        finding.token: _revoke(finding) for finding in {each.token: each for each in findings}.values()
    }
    return [answers[finding.token] for finding in findings]


def _revoke(finding: Finding) -> Result:
    try:
        row = access.find_by_text(finding.token)
    except KeyRefused:
        return "not_ours"
    if row.revoked_at is None:
        to = people_of(row)
        with tenant_scope(row.principal.tenant_key):
            services.revoke_leaked(
                key_id=row.principal.key_id, found={"source": finding.source, "url": finding.url}, to=to
            )
    return "revoked"


def people_of(row: KeyRow) -> list[str]:
    """Who is told about a key: the tenant's owners, and its own where it is personal. Runs as the edge."""
    principal = row.principal
    to = accounts.list_owner_emails(tenant_id=principal.tenant_key.id)
    if principal.owner_id is not None and not row.orphaned:
        to = [*to, *accounts.emails_of(user_ids={principal.owner_id}).values()]
    return list(dict.fromkeys(to))


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise LeakReportRefused(detail="Keys, sources and addresses of a report are texts.")
    return value[:300]


def _said(value: Any) -> str:
    """What is kept and mailed of a report: the address of a find may hold the very key."""
    return text.WHOLE_KEYS.sub("[key]", _text(value))
