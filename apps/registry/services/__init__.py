"""Writes about models: publishing what was trained, choosing what answers, setting aside and deleting."""

from apps.registry.contracts import Trained
from apps.registry.services.choosing import OVERRIDE, Override, archive, promote, roll_back, unarchive
from apps.registry.services.deleting import delete_model, delete_version
from apps.registry.services.mirrored import forget, log_backtest, mirror_aliases
from apps.registry.services.publishing import check_mirror, publish

__all__ = [
    "OVERRIDE",
    "Override",
    "Trained",
    "archive",
    "check_mirror",
    "delete_model",
    "delete_version",
    "forget",
    "log_backtest",
    "mirror_aliases",
    "promote",
    "publish",
    "roll_back",
    "unarchive",
]
