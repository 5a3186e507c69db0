"""The drill: people and programs of three tenants do what they may and what they may not, in any order."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from apps.accounts.permissions import Role
from apps.core.scope import SystemRole
from apps.events import courier
from tenants import services as tenants
from tenants.context import system_scope
from tests.contracts.lines import PERSON, PUBLIC
from tests.contracts.urls import CONSOLE, TABLE
from tests.isolation.acting import Acting
from tests.isolation.asking import BARE, Ask, Caller
from tests.isolation.cast import COMPANIES, MOVING, OPERATOR

# Passwords stay what they are, or nobody could log in again; the large demo data set is nobody's text.
LEFT_OUT: Final = {"account/password/", "password/reset/<str:token>/", "datasets/demo/", "signup/"}
WALKED: Final = [line for line in TABLE if line not in CONSOLE and line.pattern not in LEFT_OUT]
DUMP_EVERY: Final = 100
CALLED: Final = [line for line in WALKED if line.is_api]


def step(action: Callable[[Drill, random.Random], None]) -> Any:
    """A rule with one draw, which seeds all choices of the step. Nothing happens in Hypothesis' simplest run, of zeros."""

    @rule(roll=st.integers(0, 2**24 - 1))
    @functools.wraps(action)
    def taken(self: Drill, roll: int) -> None:
        if roll:
            self.steps += 1
            self.count("steps")
            began = time.monotonic()
            action(self, random.Random(roll))
            self.count(f"ms of {action.__name__}", round(1000 * (time.monotonic() - began)))

    return taken


class Drill(Acting, RuleBasedStateMachine):
    """One run from a new cast on."""

    def check_invariants(self, settings: Any, output: Any, runtimes: Any) -> None:
        """At intervals everything that is stored is read."""
        super().check_invariants(settings, output, runtimes)
        if self.steps and self.steps % DUMP_EVERY == 0:
            self.inspect()

    def teardown(self) -> None:
        """Everything that is stored, once more."""
        if self.steps:
            self.inspect()

    # -- what anybody may try, out of the table of addresses ------------------------------------------------------

    @step
    def a_person_opens_a_page(self, dice: random.Random) -> None:
        """Mostly at home and with ids of one's own; sometimes elsewhere, or with another's."""
        line, person = dice.choice(WALKED), self.a_person(dice)
        seats = sorted(self.watch.seats(person))
        at = self.cast.companies[dice.choice(seats if seats and dice.random() < 0.85 else COMPANIES)]
        theirs = at if dice.random() < 0.7 else self.another(at, dice)
        if line.urlconf != PUBLIC:
            self.enter(person, at)
        elif line.needs == PERSON:
            self.log_in(person)
        self.walk(line, Caller(person=person), at, theirs, dice)

    @step
    def a_program_calls(self, dice: random.Random) -> None:
        """With a key of its company, on any host; sometimes with another's ids."""
        own = self.a_company(dice)
        caller = Caller(key=dice.choice(own.keys), company=own)
        at = own if dice.random() < 0.85 else self.another(own, dice)
        theirs = own if dice.random() < 0.7 else self.another(own, dice)
        self.walk(dice.choice(CALLED), caller, at, theirs, dice)

    @step
    def a_stranger_asks(self, dice: random.Random) -> None:
        """Without anything, for anything."""
        company = self.a_company(dice)
        self.walk(dice.choice([*WALKED, *CONSOLE]), Caller(), company, company, dice)

    @step
    def the_console_is_opened(self, dice: random.Random) -> None:
        """By the operator, who sees all, and by people, who see nothing of it."""
        person = dice.choice([self.cast.people[OPERATOR], self.a_person(dice)])
        self.log_in(person)
        self.walk(dice.choice(CONSOLE), Caller(person=person), None, self.a_company(dice), dice, method="GET")

    # -- what a tenant does with its data -------------------------------------------------------------------------

    @step
    def a_program_uploads(self, dice: random.Random) -> None:
        """A file whose columns, series and name are canaries."""
        company = self.a_company(dice)
        if dice.random() < 0.7:  # it takes half a second
            return
        form = {"file": self.csv(company.name), "name": f"Sales {self.cast.canaries.word(company.name)}"}
        answer = self.call(company, dice, "POST", "/v1/datasets", form=form)
        if answer.status_code == 201:
            company.add("dataset", answer.json()["name"])

    @step
    def a_program_forecasts(self, dice: random.Random) -> None:
        """With its first model."""
        company = self.a_company(dice)
        self.call(
            company, dice, "POST", "/v1/forecasts", body={"model": company.things["model"][0], "horizon": 2}
        )

    @step
    def a_program_asks_why(self, dice: random.Random) -> None:
        """An explanation, which a worker makes."""
        company = self.a_company(dice)
        things = company.things
        body = {
            "forecast": things["forecast"][0],
            "series_id": things["series"][0],
            "step": dice.randint(1, 3),
        }
        self.call(company, dice, "POST", "/v1/explanations", body=body)
        self.work(most=1)

    @step
    def a_program_trains(self, dice: random.Random) -> None:
        """Now and then, as it takes a second."""
        company = self.a_company(dice)
        if not self.trains or dice.random() < 0.8:
            return
        model, data = self.cast.canaries.word(company.name), company.things["dataset"][0]
        body = {"dataset": data, "horizon": 2, "model": model, "candidates": ["seasonal_naive"]}
        if self.call(company, dice, "POST", "/v1/training-runs", body=body).status_code == 202:
            self.work(most=1)
            company.add("model", model)

    @step
    def a_program_errs(self, dice: random.Random) -> None:
        """Bad input of all sorts, which errors repeat."""
        company = self.a_company(dice)
        word, own, theirs = (
            self.cast.canaries.word(company.name),
            company.things,
            self.another(company, dice).things,
        )
        path, body = dice.choice(
            [
                ("forecasts", {"model": word, "horizon": word, word: 1}),
                ("forecasts", {"model": own["model"][0], "horizon": 2, "series": [theirs["series"][0]]}),
                ("forecasts", {"model": theirs["model"][0], "horizon": 2}),
                ("training-runs", {"dataset": word, "horizon": 2, "candidates": [word]}),
                ("training-runs", {"dataset": own["dataset"][0], "horizon": 2, "candidates": [word]}),
                ("explanations", {"forecast": theirs["forecast"][0], "series_id": word, "step": 1}),
            ]
        )
        answer = self.call(company, dice, "POST", f"/v1/{path}", body=body)
        assert answer.status_code >= 400, self.watch.journal[-1]

    @step
    def a_worker_works(self, dice: random.Random) -> None:
        """Whatever is queued, in this process, by the runner that workers have."""
        if dice.random() < 0.5:
            self.work(most=2)

    @step
    def the_courier_delivers(self, dice: random.Random) -> None:
        """Every mail goes to people who may read it."""
        with system_scope(SystemRole.COURIER):
            self.count("events delivered", courier.deliver())
        for line in self.log.take():
            self.watch.check_unmixed("a log line of the courier", line)
        self.count("mails", self.watch.settle("the courier", set()))

    # -- people come and go, companies open and close -------------------------------------------------------------

    @step
    def somebody_joins(self, dice: random.Random) -> None:
        """Invited by a program, by the link in the answer."""
        person, into = self.cast.people[dice.choice(MOVING)], self.a_company(dice)
        if len(self.watch.seats(person)) > 1 or dice.random() < 0.5:
            return
        self.cast.canaries.share(person.user.email, into.name)
        body = {
            "email": person.user.email,
            "role": dice.choice(list(Role)[1:]).value,
            "message": self.cast.canaries.word(into.name),
        }
        answer = self.call(into, dice, "POST", "/v1/invitations", body=body)
        if answer.status_code == 201:
            path = urlsplit(answer.json()["url"]).path
            self.log_in(person)
            for ask in (Ask("GET", BARE, path), Ask("POST", BARE, path, form={})):
                self.watch.ask(Caller(person=person), ask, also=[into.name])

    @step
    def somebody_logs_in_again(self, dice: random.Random) -> None:
        """With empty cookies."""
        person = self.a_person(dice)
        person.browser.clients.clear()
        self.log_in(person)

    @step
    def the_operator_suspends(self, dice: random.Random) -> None:
        """Rarely, or there were nothing to see."""
        company = self.a_company(dice)
        if dice.random() < 0.25 and self.watch.state(company) == "active":
            self.step_of_life(company, "suspend")

    @step
    def what_is_closed_opens_again(self, dice: random.Random) -> None:
        """By the operator, who also takes a deletion back."""
        for company in self.cast.companies.values():
            if self.watch.state(company) == "suspended":
                self.step_of_life(company, "reactivate")
            elif self.watch.state(company) == "deleting":
                with system_scope(SystemRole.OPERATOR):
                    tenants.cancel_deletion(tenant_id=company.key.id)
                self.watch.settle("the deletion taken back", {company.name})
