"""Why a backup or a restore was refused or failed. Only operators meet these, at the command line."""

from __future__ import annotations


class BackupError(Exception):
    """One line for the operator: what is wrong, and what to do. Nothing was changed unless it says so."""


class Damaged(BackupError):
    """The archive does not hold what it held when it was written."""


class Refused(BackupError):
    """The archive is whole, but may not be restored there or by this program."""
