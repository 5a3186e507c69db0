"""``manage.py mlflow_upgrade``: MLflow's tables, made or brought up to date."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.registry import mlflow_store


class Command(BaseCommand):
    """Run once before the workers start; quick when nothing is to be done."""

    help = "Make or upgrade MLflow's tables in its own database."

    def handle(self, *args: Any, **options: Any) -> None:
        """Idempotent."""
        mlflow_store.upgrade()
        self.stdout.write("MLflow's tables are up to date")
