"""Stands in for the clock: it has nothing to send."""

from __future__ import annotations

import os

from celery import Celery

from deploy.local.broker import broker_url

app = Celery("small-beat", broker=broker_url(os.environ["REDIS_URL"]), fixups=[])
