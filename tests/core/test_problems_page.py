"""The table of problems: complete, up to date in the documentation, and where the documents' ``type`` leads."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

import apps
import tenants
from apps.core import problem_catalogue, problems
from apps.core.management.commands.problems import PAGE, render
from apps.core.problem_catalogue import list_problems
from apps.core.problems import DOCUMENTATION
from config import rsgi
from tests.accounts.browser import BARE, Browser


def test_the_page_in_the_repository_is_what_the_program_says():
    assert Path(settings.BASE_DIR, PAGE).read_text() == render(), "run: manage.py problems --write"


def test_no_module_declares_an_error_that_the_table_lacks():
    before = list_problems()
    for package in (apps, tenants):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name and not module.name.endswith(".child"):
                importlib.import_module(module.name)
    list_problems.cache_clear()
    assert list_problems() == before


def test_a_code_of_the_application_means_one_thing():
    titles: dict[str, set[tuple[int, str]]] = {}
    for problem in (*problem_catalogue._of_application(), *problem_catalogue._of_engine()):
        titles.setdefault(problem.code, set()).add((problem.status, problem.title))
    assert {code: said for code, said in titles.items() if len(said) > 1} == {}


def test_what_the_servers_entry_refuses_is_in_the_table():
    assert problem_catalogue.ENTRY == rsgi.TITLES


@pytest.mark.django_db
@pytest.mark.parametrize("host", [BARE, "http://acme.localhost"])
def test_anybody_reads_the_page_on_every_host(host: str):
    page = Browser().visit(f"{host}/docs/problems")
    assert page.status_code == 200
    assert 'id="quota_exceeded"' in page.content.decode()


@pytest.mark.django_db
def test_the_type_of_a_problem_leads_to_its_row():
    answer = Client().get("/v1/key", headers={"host": "localhost"}).json()
    address, _, anchor = answer["type"].partition("#")
    page = Client().get(address, headers={"host": "localhost"})
    assert f'id="{anchor}"' in page.content.decode()


def test_every_code_of_the_framework_has_a_row():
    codes = {problem.code for problem in list_problems()}
    assert {code for code, _title in problems.FRAMEWORK.values()} <= codes
    assert DOCUMENTATION == "/docs/problems#"
