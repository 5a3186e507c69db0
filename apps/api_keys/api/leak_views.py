"""``POST /v1/leaked-keys``: for whoever found a key in the open, with no key of their own."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api_keys import leaks
from apps.api_keys.errors import LeakReportTooLarge
from apps.api_keys.leaks import Finding


class LeakedKeys(APIView):
    """Each whole key of ours is revoked at once; of everything else nothing is told but that it is not ours."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        """An answer for each entry, in the report's order; GitHub's form is answered as GitHub reads it."""
        leaks.count_report()
        body = _body(request)
        from_github = isinstance(request.data, list)
        leaks.check_signature(
            body,
            identifier=request.headers.get("Github-Public-Key-Identifier", ""),
            signature=request.headers.get("Github-Public-Key-Signature", ""),
            required=from_github,
        )
        findings = leaks.read(request.data)
        results = leaks.report(findings=findings)
        if from_github:
            return Response([_label(*each) for each in zip(findings, results, strict=True)])
        return Response({"data": [{"index": index, "result": each} for index, each in enumerate(results)]})


def _body(request: Request) -> bytes:
    """The raw body, which a signature is over; raises ``LeakReportTooLarge`` before it is read."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > leaks.MOST_BYTES:
        raise LeakReportTooLarge(keys=leaks.MOST_KEYS, bytes=leaks.MOST_BYTES)
    body: bytes = request._request.body
    return body


def _label(finding: Finding, result: leaks.Result) -> dict[str, str]:
    return {
        "token_hash": finding.digest,
        "token_type": finding.type,
        "label": "true_positive" if result == "revoked" else "false_positive",
    }
