"""``manage.py problems``: the table of problems as Markdown, for ``docs/problems.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from apps.core.problem_catalogue import Problem, list_problems

PAGE: Final = "docs/problems.md"
HEAD: Final = """# Problems

Every error that leaves the API is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem document
(`application/problem+json`). Its `code` is stable: programs decide by it. Its `type` leads to this table, which a running
server shows at `/docs/problems`. `{field}` stands for a value; most fields are also members of the document.

This page is generated: `.venv/bin/python manage.py problems --write`.

| Code | Status | Title | What it says |
|---|---|---|---|
"""


class Command(BaseCommand):
    """Prints the page, or writes it."""

    help = f"Print the table of problems as Markdown; --write puts it into {PAGE}."

    def add_arguments(self, parser: CommandParser) -> None:
        """One switch."""
        parser.add_argument("--write", action="store_true", help=f"write {PAGE}")

    def handle(self, *args: Any, **options: Any) -> None:
        """The same page each time: it holds no date."""
        page = render()
        if options["write"]:
            Path(settings.BASE_DIR, PAGE).write_text(page)
        else:
            self.stdout.write(page, ending="")


def render() -> str:
    """The page as Markdown."""
    return HEAD + "".join(f"{_row(problem)}\n" for problem in list_problems())


def _row(problem: Problem) -> str:
    anchor = f'<a id="{problem.code}"></a>`{problem.code}`'
    text = problem.text.replace("|", "\\|")
    return f"| {anchor} | {problem.status} | {problem.title} | {text} |"
