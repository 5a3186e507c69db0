"""Requests of the drill: each carries canaries of its own, and each answer, log line and mail is searched for others'."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.messages.storage.cookie import CookieStorage
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import Client

from tests.contracts.asking import text_of
from tests.contracts.lines import File
from tests.isolation.canaries import Leak, excerpt
from tests.isolation.cast import OPERATOR, Cast, Company, Person
from tests.isolation.watching import LogLines

BARE: Final = "localhost"
_addresses = itertools.cycle(range(1, 250 * 250))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a person in their browser, a program with a key of a company, or (neither) a stranger."""

    person: Person | None = None
    key: str = ""
    company: Company | None = None  # whose key it is

    def __str__(self) -> str:
        if self.person:
            return self.person.name
        return f"a key of {self.company.name}" if self.company else "a stranger"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    method: str
    host: str
    path: str
    query: Mapping[str, Any] | None = None
    form: Mapping[str, Any] | None = None
    body: Any = None


class Watch:
    """Sends requests and judges all that comes of them."""

    def __init__(self, cast: Cast, log: LogLines) -> None:
        self.cast, self.log = cast, log
        self.leaks: list[str] = []
        self.journal: deque[str] = deque(maxlen=40)
        self._messages: dict[tuple[str, str], set[str]] = {}
        self._seats = cast.seats()
        self._been = {name: set(seats) for name, seats in self._seats.items()}
        self.addresses = cast.addresses()

    def host(self, company: Company) -> str:
        """Where the company's pages are at the moment."""
        return f"{self.addresses[company.name][0]}.localhost"

    def state(self, company: Company) -> str:
        """Where the company's life stands."""
        return self.addresses[company.name][1]

    def seats(self, person: Person) -> set[str]:
        """Where the person belongs at the moment."""
        return self._seats[person.name]

    def ask(self, caller: Caller, ask: Ask, *, also: Iterable[str] = ()) -> Any:
        """The answer, after it was found to hold nothing of others; ``also`` are realms that the link opens."""
        at = self._company_at(ask.host)
        realms = self.words_of(caller, at)
        agent, request_id = (self.cast.canaries.word(*realms) for _ in range(2))
        headers = {"host": ask.host, "user-agent": f"Drill/{agent}", "x-request-id": f"drill-{request_id}"}
        if caller.key:
            headers["authorization"] = f"Bearer {caller.key}"
        allowed = {*self._allowed(caller, at, ask), *also}
        self.journal.append(f"{caller}: {ask.method} {ask.host}{ask.path} {ask.query or ''} {_short(ask)}")
        answer = self._send(caller, ask, headers)
        self.journal[-1] += f" -> {answer.status_code}"
        self._refresh()
        allowed |= self._allowed(caller, at, ask)
        echoed = self.cast.canaries.tokens(f"{ask} {headers}") | self._unread(caller, ask.host)
        self._judge(answer, allowed, echoed)
        said = allowed | ({at.name} if at else set())
        self.settle(f"{ask.method} {ask.path}", said, echoed)
        self._learn(answer, caller, at, echoed)
        self._keep_unread(caller, ask.host, echoed)
        return answer

    def settle(self, what: str, allowed: set[str], echoed: Iterable[str] = ()) -> int:
        """Judge the log lines and mails that a step left; returns how many mails there were."""
        for line in self.log.take():
            self.check(f"a log line of {what}", line, allowed, echoed)
        for message in mail.outbox:
            text = f"{message.subject}\n{message.body}\n{message.extra_headers}\n{message.alternatives}"
            for address in message.recipients():
                realms = [self.cast.canaries.realms[token] for token in self.cast.canaries.tokens(address)]
                self.check(f"a mail to {address}", text, set().union(*realms))
        sent = len(mail.outbox)
        mail.outbox.clear()
        self._refresh()
        return sent

    def check(self, what: str, text: str, allowed: Iterable[str], echoed: Iterable[str] = ()) -> None:
        """Raise ``Leak`` where ``text`` holds a canary that none of the allowed realms may see."""
        for token, realms in self.cast.canaries.foreign(text, allowed, echoed).items():
            self._report(what, text, token, realms, allowed)

    def check_unmixed(self, what: str, text: str) -> None:
        """Raise ``Leak`` where ``text`` holds canaries of tenants that have nothing to do with each other."""
        for token, realms in self.cast.canaries.mixed(text).items():
            self._report(what, text, token, realms, "one realm at a time")

    def _report(self, what: str, text: str, token: str, realms: set[str], allowed: Any) -> None:
        told = "\n  ".join(self.journal)
        self.leaks.append(what)
        raise Leak(
            f"{what} holds {token} of {sorted(realms)}, where {allowed} may look:\n"
            f"  …{excerpt(text, token)}…\nThe last steps were:\n  {told}"
        )

    def _company_at(self, host: str) -> Company | None:
        slug = host.partition(".")[0]
        return next((each for each in self.cast.companies.values() if slug in each.things["slug"]), None)

    def words_of(self, caller: Caller, at: Company | None) -> set[str]:
        """Who may see again what a request brings along."""
        realms = {at.name} if at else set()
        if caller.person and caller.person.name == OPERATOR:
            return {caller.person.realm, *self.cast.companies}
        if caller.company:
            return realms | {caller.company.name}
        if caller.person and (at is None or at.name not in self.seats(caller.person)):
            realms |= {caller.person.realm, *self.seats(caller.person)}
        return realms or {"nobody"}

    def _allowed(self, caller: Caller, at: Company | None, ask: Ask) -> set[str]:
        """The realms whose words the answer may hold: on a tenant's host the tenant's alone, with one's own."""
        if ask.path.startswith("/v1/"):
            return {caller.company.name} if caller.company else set()
        if caller.person is None:
            return set()
        if caller.person.name == OPERATOR:
            return {*self.cast.companies, *(person.realm for person in self.cast.people.values())}
        seats = self.seats(caller.person)
        # Who has left a company is told so by its name, on the next page, wherever that is.
        names = {f"name of {seat}" for seat in self._been[caller.person.name]}
        return {caller.person.realm, *(seats & {at.name} if at else seats), *names}

    def _send(self, caller: Caller, ask: Ask, headers: dict[str, str]) -> Any:
        client = caller.person.browser.client(f"http://{ask.host}") if caller.person else Client()
        client.raise_request_exception = False
        number = next(_addresses)
        sender = {"REMOTE_ADDR": f"10.7.{number // 250}.{number % 250 + 1}", "headers": headers}
        if ask.method == "GET":
            return client.get(ask.path, dict(ask.query or {}), **sender)
        send = getattr(client, ask.method.lower())
        query = {"query_params": dict(ask.query)} if ask.query else {}
        if ask.form is not None:
            return send(ask.path, _files(ask.form), **query, **sender)
        data = "" if ask.body is None else json.dumps(ask.body)
        return send(ask.path, data, content_type="application/json", **query, **sender)

    def _unread(self, caller: Caller, host: str) -> set[str]:
        """What the person asked with when a message was left that they have not seen yet."""
        return self._messages.get((caller.person.name, host), set()) if caller.person else set()

    def _keep_unread(self, caller: Caller, host: str, echoed: set[str]) -> None:
        if caller.person is None:
            return
        kept = caller.person.browser.client(f"http://{host}").cookies.get("messages")
        self._messages[caller.person.name, host] = echoed if kept and kept.value else set()

    def _judge(self, answer: Any, allowed: set[str], echoed: set[str]) -> None:
        assert answer.status_code < 500, "\n".join([text_of(answer)[-3000:], *self.log.take(), *self.journal])
        said = _said(answer)
        self.check(f"the answer to {self.journal[-1]}", said, allowed, echoed)

    def _learn(self, answer: Any, caller: Caller, at: Company | None, echoed: set[str]) -> None:
        """What a tenant's own answer names for the first time is the tenant's."""
        if answer.status_code >= 400 or (caller.person and caller.person.name == OPERATOR):
            return
        own = caller.company
        if caller.person and at and at.name in self.seats(caller.person):
            own = at
        if own is None or (at and at is not own):
            return
        self.cast.canaries.learn(_said(answer), own.name, echoed)

    def _refresh(self) -> None:
        """Where people belong and companies are by now; who joins shows the company what was their own."""
        seats = self.cast.seats()
        for name, places in seats.items():
            self._been[name] |= places
            for place in places - self._seats[name]:
                for realms in self.cast.canaries.realms.values():
                    if f"person {name}" in realms:
                        realms.add(place)
        self._seats, self.addresses = seats, self.cast.addresses()


@contextlib.contextmanager
def outbox_emptied() -> Iterator[None]:
    """Mails of earlier tests are nobody's here."""
    mail.outbox.clear()
    yield
    mail.outbox.clear()


def _said(answer: Any) -> str:
    """Everything that leaves: status line, headers, cookies with the messages in them, body."""
    cookies = []
    for name, morsel in answer.cookies.items():
        told = CookieStorage(HttpRequest())._decode(morsel.value) if name == "messages" else None
        cookies.append(f"{name}={morsel.value} {[str(each) for each in told or []]}")
    head = [f"{answer.status_code} {answer.reason_phrase}", *(f"{k}: {v}" for k, v in answer.headers.items())]
    return "\n".join([*head, *cookies, text_of(answer)])


def _files(form: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: SimpleUploadedFile(value.name, value.text.encode()) if isinstance(value, File) else value
        for name, value in form.items()
    }


def _short(ask: Ask) -> str:
    sent = ask.form if ask.form is not None else ask.body
    return (
        str({k: v for k, v in sent.items() if not isinstance(v, File)})[:200]
        if isinstance(sent, dict)
        else ""
    )
