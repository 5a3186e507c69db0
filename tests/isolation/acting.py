"""How the people and programs of the drill act: pages walked, keys used, jobs done, everything stored read again."""

from __future__ import annotations

import functools
import random
import re
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from django.db import connections

from apps.core.ids import public_id
from apps.datasets import tasks as reading
from apps.explanations import tasks as explaining
from apps.hosting import tasks as hosting
from apps.jobs import runner
from apps.training import tasks as training  # importing them registers what the jobs do, as the workers do
from tests.contracts.lines import PUBLIC, File, Line, resolve
from tests.contracts.urls import PASSWORD
from tests.contracts.world import absent
from tests.isolation import watching
from tests.isolation.asking import BARE, Ask, Caller, Watch
from tests.isolation.cast import COMPANIES, OPERATOR, Cast, Company, Person
from tests.isolation.watching import LogLines

TASKS: Final = (explaining, hosting, reading, training)
# Texts that a caller is free to choose, wherever a field is called so.
FREE: Final = frozenset(
    ["name", "message", "search", "q", "company", "reason", "title", "description", "note", "notes", "source"]
)
SLUGS: Final = {"model", "model_name", "address"}
ADDRESSES: Final = {"email", "emails"}
KINDS: Final = {
    "fc": "forecast", "job": "job", "run": "run", "exp": "explanation", "up": "upload", "key": "key", "mem": "member",
    "inv": "invitation", "src": "source", "file": "file",
}  # fmt: skip


class Acting:
    """One run's cast, and what they can do. ``trains``: MLflow's tables are there."""

    log: ClassVar[LogLines]
    trains: ClassVar[bool] = False
    counted: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.files: dict[str, set[str]] = {name: set() for name in COMPANIES}

    @functools.cached_property
    def cast(self) -> Cast:
        """Made for the first step that does something."""
        made = Cast()
        self.log.take()
        return made

    @functools.cached_property
    def watch(self) -> Watch:
        """Over the cast."""
        return Watch(self.cast, self.log)

    def walk(
        self,
        line: Line,
        caller: Caller,
        at: Company | None,
        theirs: Company,
        dice: random.Random,
        *,
        method: str = "",
    ) -> Any:
        """A line of the table with the things of ``theirs``, at the company's host where it stands there."""
        things = {kind: dice.choice(values) for kind, values in theirs.things.items()}
        wanted = {of.kind for _place, of in line.places()} | _secrets(line)
        for kind in wanted - things.keys():
            things[kind] = theirs.things["slug"][0] if kind == "slug" else absent("zzunknown")
        on_tenant = at is not None and (line.urlconf != PUBLIC or (line.is_api and dice.random() < 0.5))
        host = self.watch.host(at) if on_tenant and at else BARE
        path = line.fill(resolve("of", line.of, things, {}))
        by = self.watch.words_of(caller, at if on_tenant else None)
        ask = Ask(
            method or dice.choice(line.methods),
            host,
            path,
            query=self._worded(resolve("query", line.query, things, {}), by),
            form=self._worded(resolve("form", line.form, things, {}), by) if line.form is not None else None,
            body=self._worded(resolve("json", line.json, things, {}), by),
        )
        answer = self.watch.ask(caller, ask, also=[theirs.name] if _secrets(line) else ())
        self._harvest(answer, caller, at if on_tenant else None)
        return answer

    def _worded(self, held: Any, by: set[str]) -> Any:
        """The texts that are free to choose become canaries of those who send them."""
        if not isinstance(held, dict):
            return held
        return {name: self._canary(name, value, by) for name, value in held.items()}

    def _canary(self, name: str, value: Any, by: set[str]) -> Any:
        if isinstance(value, File):
            return self.csv(*by)
        if not isinstance(value, str) or self.cast.canaries.tokens(value):
            return value
        # Its people see a company's name and address also while they are at another company's.
        shown = {f"name of {each}" for each in by & {*COMPANIES}} if name in ("company", "address") else set()
        word = self.cast.canaries.word(*by, *shown)
        if name in SLUGS:
            return word
        if name in ADDRESSES:
            return f"{word}@{self.cast.canaries.word(*by)}.example"
        return f"{value} {word}" if name in FREE else value

    def csv(self, *realms: str) -> File:
        """Monthly numbers under canary names."""
        first, second, extra, filename = (self.cast.canaries.word(*realms) for _ in range(4))
        rows = [
            f"{series},2024-{month:02d}-01,{month},{month * 2}"
            for series in (first, second)
            for month in range(1, 13)
        ]
        return File(f"{filename}.csv", "\n".join([f"unique_id,ds,y,{extra}", *rows]) + "\n")

    def call(self, company: Company, dice: random.Random, method: str, path: str, **sent: Any) -> Any:
        caller = Caller(key=dice.choice(company.keys), company=company)
        answer = self.watch.ask(caller, Ask(method, BARE, path, **sent))
        self._harvest(answer, caller, None)
        return answer

    def _harvest(self, answer: Any, caller: Caller, at: Company | None) -> None:
        """Ids and keys in a company's own answer are things of the company."""
        self.count("answers")
        self.count(f"answered {answer.status_code // 100}xx")
        own = caller.company if caller.company else at
        if own is None or answer.status_code >= 400 or answer.streaming:
            return
        text = f"{answer.content.decode(errors='replace')} {answer.get('Location', '')}"
        for prefix, ulid in re.findall(r"\b([a-z]{2,3})_([0-9A-HJKMNP-TV-Z]{26})", text):
            if prefix in KINDS and self.cast.canaries.realms.get(f"{prefix}_{ulid}".lower()) == {own.name}:
                own.add(KINDS[prefix], f"{prefix}_{ulid}")
        own.keys.extend(key for key in re.findall(r"alm_live_\w{8}_\w{33}", text) if key not in own.keys)

    def log_in(self, person: Person) -> None:
        if "sessionid" in person.browser.client(f"http://{BARE}").cookies:
            return
        form = {"email": person.user.email, "password": PASSWORD}
        self.watch.ask(Caller(person=person), Ask("POST", BARE, "/login/", form=form))

    def enter(self, person: Person, company: Company) -> None:
        """From the bare host to the company's, where the person belongs and has no session yet."""
        host = self.watch.host(company)
        if (
            company.name not in self.watch.seats(person)
            or "sessionid" in person.browser.client(f"http://{host}").cookies
        ):
            return
        self.log_in(person)
        url = f"http://{host}/"
        for _hop in range(6):
            parts = urlsplit(url)
            ask = Ask("GET", parts.netloc, parts.path, query=dict(parse_qsl(parts.query)))
            answer = self.watch.ask(Caller(person=person), ask)
            if answer.status_code not in (301, 302):
                return
            target = answer["Location"]
            url = target if target.startswith("http") else f"http://{parts.netloc}{target}"

    def step_of_life(self, company: Company, step: str) -> None:
        olga = self.cast.people[OPERATOR]
        self.log_in(olga)
        path = f"/admin/tenants/tenant/{company.key.id}/{step}/"
        reason = f"Because {self.cast.canaries.word(company.name)}"
        answer = self.watch.ask(Caller(person=olga), Ask("POST", BARE, path, form={"reason": reason}))
        assert answer.status_code == 302, self.watch.journal[-1]

    def work(self, most: int) -> None:
        by_id = {company.key.id: company for company in self.cast.companies.values()}
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT id, tenant_id, kind FROM jobs_job WHERE state = 'queued' AND tenant_id = ANY(%s)"
                " AND (kind <> 'training.run' OR %s) ORDER BY created_at DESC LIMIT %s",
                [list(by_id), self.trains, most],
            )
            jobs = cursor.fetchall()
        for job_id, tenant_id, kind in jobs:
            company = by_id[tenant_id]
            self.watch.journal.append(f"a worker: {kind} of {company.name}")
            self._let_wait_all_but(job_id)
            runner.run(job_id=job_id, schema=company.key.schema)
            self._let_wait_all_but(None)
            crashed = [line for line in self.log.lines if "job_crashed" in line]
            assert not crashed, crashed
            self.count(f"job {kind} {self._state_of(job_id)}")
            self.watch.settle(f"the job {public_id('job', job_id)}", {company.name})

    def _let_wait_all_but(self, job_id: Any) -> None:
        """A worker does whose turn it is; here it is the drill that says whose."""
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "UPDATE jobs_job SET not_before = CASE WHEN %s::uuid IS NULL OR id = %s THEN NULL"
                " ELSE now() + interval '1 day' END WHERE state = 'queued'",
                [job_id, job_id],
            )

    def _state_of(self, job_id: Any) -> str:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT state FROM jobs_job WHERE id = %s", [job_id])
            return str(cursor.fetchone()[0])

    def inspect(self) -> None:
        """Everything that is stored: rows, files, Redis, MLflow."""
        self.count("inspections")
        for company in self.cast.companies.values():
            for table, text in watching.rows_of(company.key):
                self.watch.check(f"a row of {company.name} in {table}", text, {company.name})
            for path, text in watching.files_of(company.key, self.files[company.name]):
                self.watch.check(f"the file {path}", f"{path} {text}", {company.name})
            for name, text in watching.redis_of(f"almanac:{company.key.schema}:*"):
                self.watch.check(f"the Redis key {name}", f"{name} {text}", {company.name})
        for name, text in watching.redis_of("almanac:shared:*"):
            self.watch.check_unmixed(f"the Redis key {name}", f"{name} {text}")
        if self.trains:
            for table, text in watching.mlflow_rows():
                self.watch.check_unmixed(f"a row of MLflow's table {table}", text)

    def a_person(self, dice: random.Random) -> Person:
        return self.cast.people[dice.choice([name for name in self.cast.people if name != OPERATOR])]

    def a_company(self, dice: random.Random) -> Company:
        return self.cast.companies[dice.choice(COMPANIES)]

    def another(self, company: Company, dice: random.Random) -> Company:
        return dice.choice([each for each in self.cast.companies.values() if each is not company])

    def count(self, what: str, number: int = 1) -> None:
        self.counted[what] = self.counted.get(what, 0) + number


def _secrets(line: Line) -> set[str]:
    """The kinds of secrets that a line's address holds."""
    return {of.kind for of in line.of.values() if not isinstance(of, str) and of.secret}
