"""The events of the apps below, which know nothing of webhooks; those above publish theirs by themselves."""

from __future__ import annotations

from typing import Any, Final

_JOB: Final = {"id": "job_01K…", "type": "training.run", "status": "succeeded", "url": "/v1/jobs/job_01K…"}
_KEY: Final = {"key_id": "key_01K…", "name": "Shop", "masked": "alm_live_9f3k2m1p…x7Qa", "mode": "live"}

# type, what happened, the fields that go out
EARLIER: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("job.succeeded", "Work in the background is done.", _JOB),
    ("job.failed", "Work in the background failed for good.", {**_JOB, "status": "failed"}),
    ("job.cancelled", "Work in the background was cancelled.", {**_JOB, "status": "cancelled"}),
    (
        "api_key.expiring",
        "An API key ends soon.",
        {**_KEY, "expires_at": "2026-12-31T00:00:00+00:00", "days": 7},
    ),
    ("api_key.rotated", "An API key has a successor.", {**_KEY, "replaced_by": "key_01K…"}),
    (
        "api_key.revoked",
        "An API key was revoked, by hand or because its text was found.",
        {**_KEY, "reason": "leaked"},
    ),
)
TEST: Final = "webhook.test"
