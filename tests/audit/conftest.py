"""Sealing and verifying as the clerk and the operator do it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from apps.audit import anchors, sealing, verifying
from apps.audit.verifying import Fault, Tally
from tenants.context import system_scope
from tests import factories


def seal() -> int:
    """Seal what waits, as the clerk does."""
    with system_scope("sealer"):
        return sealing.seal()


def anchor(folder: Path) -> int:
    """Anchor the heads in ``folder``, as the clerk does."""
    with system_scope("sealer"):
        return anchors.write(folder)


def faults(
    folder: Path | None, *, chain: uuid.UUID | None = None, using: str = "default", tally: Tally | None = None
) -> list[Fault]:
    """What is wrong with the log."""
    with system_scope("operator"):
        return list(
            verifying.verify(
                tally=tally or Tally(),
                folder=folder,
                public_key=anchors.public_key(),
                chain=chain,
                using=using,
            )
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for anchors."""
    return tmp_path / "anchors"


@pytest.fixture
def empty_log(committed: None) -> None:
    """Nothing is in the log, not even that the tenants were made; what the test commits is emptied afterwards."""
    factories.empty_database()
