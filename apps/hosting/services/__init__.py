"""What is done with hosted models: bringing, choosing, deleting, asking."""

from apps.hosting.services.asking import Answer, Caller, predict
from apps.hosting.services.bringing import bring
from apps.hosting.services.choosing import archive, promote, unarchive
from apps.hosting.services.deleting import delete_model, delete_version, forget

__all__ = [
    "Answer",
    "Caller",
    "archive",
    "bring",
    "delete_model",
    "delete_version",
    "forget",
    "predict",
    "promote",
    "unarchive",
]
