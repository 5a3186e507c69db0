"""Models that a tenant brought, and their versions: tables of the tenant's schema."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id, public_id
from apps.hosting.signature import Signature


class Format(models.TextChoices):
    """What a file may be."""

    ONNX = "onnx", "ONNX"
    LIGHTGBM = "lightgbm", "LightGBM"
    XGBOOST = "xgboost", "XGBoost"


class HostedModel(models.Model):
    """A name under which predictions are asked for; its champion answers. ``last_number`` is of the newest version there ever
    was: numbers are not given again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.SlugField(max_length=80, unique=True)
    champion = models.ForeignKey(
        "hosting.HostedVersion", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    last_number = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[HostedModel]]

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """``hm_…``"""
        return public_id("hm", self.id)


class HostedVersion(models.Model):
    """One file as it was brought: where it is, what it hashes to, what it takes and gives (``signature``), and what the sandbox
    found in it (``report``). An archived version answers no more."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model = models.ForeignKey(HostedModel, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    format = models.CharField(max_length=20, choices=Format)
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=200)
    bytes = models.BigIntegerField()
    signature_json = models.JSONField(db_column="signature")
    report = models.JSONField(default=dict)
    created_by = models.CharField(max_length=120)
    archived_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[HostedVersion]]

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("model", "number"), name="hosting_version_number"),)

    def __str__(self) -> str:
        return f"{self.model_id} v{self.number}"

    @property
    def public_id(self) -> str:
        """``hv_…``"""
        return public_id("hv", self.id)

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        return Signature.from_json(self.signature_json)
