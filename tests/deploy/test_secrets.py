"""Secrets are made once, privately, and stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.local import secrets
from deploy.local.problems import StartProblem


def test_secrets_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    assert secrets.ensure(tmp_path) == secrets.ensure(tmp_path, data_exists=True)


def test_each_is_in_a_private_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    secrets.ensure(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == set(secrets.MAKERS)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(set(vars(secrets.ensure(tmp_path / name)).values()))
    assert not made[0] & made[1]


def test_they_have_the_form_that_their_readers_expect(tmp_path: Path) -> None:
    made = secrets.ensure(tmp_path)
    assert re.fullmatch(r"1:[0-9a-f]{64}", made.api_key_peppers)
    assert re.fullmatch(r"[0-9A-Za-z]{32}", made.demo_api_key_secret)
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", made.demo_password)


def test_a_secret_that_a_release_adds_is_made_beside_the_old_ones(tmp_path: Path) -> None:
    before = secrets.ensure(tmp_path)
    (tmp_path / "stripe_webhook_secret").unlink()
    after = secrets.ensure(tmp_path, data_exists=True)
    assert after.secret_key == before.secret_key
    assert after.stripe_webhook_secret != before.stripe_webhook_secret


def test_lost_secrets_are_not_replaced_while_there_is_data(tmp_path: Path) -> None:
    with pytest.raises(StartProblem, match=r"the secrets in .* are gone"):
        secrets.ensure(tmp_path, data_exists=True)
    assert not list(tmp_path.iterdir())


def test_an_emptied_secret_is_named(tmp_path: Path) -> None:
    secrets.ensure(tmp_path)
    (tmp_path / "secret_key").write_text("")
    with pytest.raises(StartProblem, match="secret_key is empty"):
        secrets.ensure(tmp_path)
