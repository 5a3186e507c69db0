"""What an attacker could do to the log who holds the database's owner and has switched the triggers off."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections

from apps.audit import chain
from apps.audit.chain import Place

TEXTS: Final = ("action", "actor_id", "actor_type", "target_id", "target_type", "request_id", "outcome")


@dataclass(frozen=True, slots=True)
class Log:
    """What stands in the log before anybody touches it: of each chain its events in order, and how far it is anchored."""

    events: dict[uuid.UUID, list[uuid.UUID]]
    anchored: dict[uuid.UUID, int]


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done, and whether it must be found."""

    name: str
    is_seen: bool = True


def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """As the owner; something must be hit, or the deed is none."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount > 0, statement
        return cursor.fetchall() if cursor.description else []


def one(log: Log, dice: random.Random) -> Deed:
    """One deed, by chance."""
    deed: Callable[[Log, random.Random], Deed] = dice.choice(DEEDS)
    return deed(log, dice)


def _pick(log: Log, dice: random.Random) -> tuple[uuid.UUID, int]:
    """A chain and a number in there."""
    name = dice.choice(sorted(log.events))
    return name, dice.randint(1, len(log.events[name]))


def _event(log: Log, place: tuple[uuid.UUID, int]) -> uuid.UUID:
    return log.events[place[0]][place[1] - 1]


def edit_a_text(log: Log, dice: random.Random) -> Deed:
    column = dice.choice(TEXTS)
    run(
        f"UPDATE audit_auditevent SET {column} = {column} || 'x' WHERE id = %s", _event(log, _pick(log, dice))
    )
    return Deed(f"edited {column}")


def edit_another_column(log: Log, dice: random.Random) -> Deed:
    change = dice.choice(
        (
            "occurred_at = occurred_at + interval '1 microsecond'",
            """changes = '{"after": 9}'""",
            "changes = changes || '{\"more\": 1}'",
            "personal_digest = sha256(personal_digest)",
            "tenant_id = gen_random_uuid()",
            "id = gen_random_uuid()",
        )
    )
    run(f"UPDATE audit_auditevent SET {change} WHERE id = %s", _event(log, _pick(log, dice)))
    return Deed(change)


def edit_a_seal(log: Log, dice: random.Random) -> Deed:
    change = dice.choice(
        (
            "hash = sha256(hash)",
            "sealed_at = sealed_at - interval '1 microsecond'",
            "number = number + 100000",
            "chain = gen_random_uuid()",
            "event_id = gen_random_uuid()",
        )
    )
    run(f"UPDATE audit_seal SET {change} WHERE event_id = %s", _event(log, _pick(log, dice)))
    return Deed(change)


def edit_what_is_about_people(log: Log, dice: random.Random) -> Deed:
    change = dice.choice(
        (
            """data = '{"actor_label": "mallory@globex.example"}'""",
            "data = data - 'ip'",
            "salt = sha256(salt)",
            "tenant_id = gen_random_uuid()",
            "event_id = gen_random_uuid()",
        )
    )
    run(f"UPDATE audit_personal SET {change} WHERE event_id = %s", _event(log, _pick(log, dice)))
    return Deed(change)


def delete_an_event(log: Log, dice: random.Random) -> Deed:
    event = _event(log, _pick(log, dice))
    run("DELETE FROM audit_auditevent WHERE id = %s", event)
    if dice.random() < 0.5:
        run("DELETE FROM audit_personal WHERE event_id = %s", event)
    return Deed("deleted an event")


def delete_a_seal(log: Log, dice: random.Random) -> Deed:
    run("DELETE FROM audit_seal WHERE event_id = %s", _event(log, _pick(log, dice)))
    return Deed("deleted a seal")


def delete_without_a_trace(log: Log, dice: random.Random) -> Deed:
    """An event with all that hangs on it, not the chain's last ones; half the time the gap is closed."""
    name, number = _pick(log, dice)
    number = min(number, log.anchored[name] - 1)
    _delete(_event(log, (name, number)))
    if dice.random() < 0.5:
        run("UPDATE audit_seal SET number = -number WHERE chain = %s AND number > %s", name, number)
        run("UPDATE audit_seal SET number = -number - 1 WHERE chain = %s AND number < 0", name)
    return Deed("deleted an event with its seal")


def swap_two_seals(log: Log, dice: random.Random) -> Deed:
    name, number, other = _two(log, dice)
    column = dice.choice(("number", "event_id", "hash"))
    if column == "hash":
        values = {
            at: run("SELECT hash FROM audit_seal WHERE chain = %s AND number = %s", name, at)[0][0]
            for at in (number, other)
        }
        for at, value in ((number, values[other]), (other, values[number])):
            run("UPDATE audit_seal SET hash = %s WHERE chain = %s AND number = %s", value, name, at)
    elif column == "number":
        for before, after in ((number, -1), (other, number), (-1, other)):
            _move(name, before, after)
    else:
        spare = uuid.uuid4()
        mine, theirs = _event(log, (name, number)), _event(log, (name, other))
        for before, after in ((mine, spare), (theirs, mine), (spare, theirs)):
            run("UPDATE audit_seal SET event_id = %s WHERE event_id = %s", after, before)
    return Deed(f"swapped the {column} of two seals")


def swap_two_events(log: Log, dice: random.Random) -> Deed:
    name, number, other = _two(log, dice)
    first, second = _event(log, (name, number)), _event(log, (name, other))
    swap = (
        "UPDATE audit_auditevent AS a SET target_id = b.target_id, occurred_at = b.occurred_at FROM audit_auditevent AS b "
        "WHERE (a.id, b.id) IN ((%s, %s), (%s, %s))"
    )
    run(swap, first, second, second, first)
    return Deed("swapped two events")


def cut_the_end(log: Log, dice: random.Random) -> Deed:
    """Found where it reaches what is anchored."""
    name, number = _pick(log, dice)
    for event in log.events[name][number - 1 :]:
        _delete(event)
    return Deed(f"cut off from {number}", is_seen=number <= log.anchored[name])


def add_an_event(log: Log, dice: random.Random) -> Deed:
    """Without a seal; or with the last one's place and a seal of its own making."""
    name, _number = _pick(log, dice)
    forged = uuid.uuid4()
    copy = (
        "INSERT INTO audit_auditevent (id, tenant_id, occurred_at, actor_type, actor_id, action, target_type, target_id, "
        "changes, request_id, outcome, personal_digest) SELECT %s, tenant_id, occurred_at, actor_type, actor_id, "
        "'model.forged', target_type, target_id, changes, request_id, outcome, '' FROM audit_auditevent WHERE id = %s"
    )
    run(copy, forged, log.events[name][-1])
    run("DELETE FROM audit_unsealed WHERE event_id = %s", forged)
    if dice.random() < 0.5:
        place = "SELECT %s, chain, max(number) + 1, now(), sha256('x') FROM audit_seal WHERE chain = %s GROUP BY chain"
        run(f"INSERT INTO audit_seal (event_id, chain, number, sealed_at, hash) {place}", forged, name)
    return Deed("added an event")


def edit_and_compute_the_chain_anew(log: Log, dice: random.Random) -> Deed:
    """By one who knows how hashes are made; found where it reaches what is anchored."""
    name, number = _pick(log, dice)
    run("UPDATE audit_auditevent SET target_id = target_id || 'x' WHERE id = %s", _event(log, (name, number)))
    before = chain.START
    query = (
        f"SELECT seal.number, seal.sealed_at, seal.hash, {chain.COLUMNS} FROM audit_seal AS seal "
        "JOIN audit_auditevent AS event ON event.id = event_id WHERE seal.chain = %s ORDER BY number"
    )
    for at, sealed_at, digest, *columns in run(query, name):
        computed = chain.seal_hash(before, Place(name, at, sealed_at), chain.row(columns))
        if computed != bytes(digest):
            run("UPDATE audit_seal SET hash = %s WHERE chain = %s AND number = %s", computed, name, at)
        before = computed
    return Deed(f"edited {number} and computed anew", is_seen=number <= log.anchored[name])


def _two(log: Log, dice: random.Random) -> tuple[uuid.UUID, int, int]:
    name = dice.choice(sorted(log.events))
    first, second = dice.sample(range(1, len(log.events[name]) + 1), 2)
    return name, first, second


def _move(name: uuid.UUID, number: int, to: int) -> None:
    run("UPDATE audit_seal SET number = %s WHERE chain = %s AND number = %s", to, name, number)


def _delete(event: uuid.UUID) -> None:
    run("DELETE FROM audit_seal WHERE event_id = %s", event)
    run("DELETE FROM audit_personal WHERE event_id = %s", event)
    run("DELETE FROM audit_auditevent WHERE id = %s", event)


DEEDS: Final = (
    edit_a_text,
    edit_another_column,
    edit_a_seal,
    edit_what_is_about_people,
    delete_an_event,
    delete_a_seal,
    delete_without_a_trace,
    swap_two_seals,
    swap_two_events,
    cut_the_end,
    add_an_event,
    edit_and_compute_the_chain_anew,
)
