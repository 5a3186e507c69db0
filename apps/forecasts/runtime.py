"""The only wiring of the hot path: this process's store, and how a bundle gets into it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from django.conf import settings

from apps.core import storage
from apps.core.errors import EngineFailure
from apps.core.tenancy import TenantKey
from apps.engine.errors import EngineError
from apps.engine.serving import LoadedBundle, load_bundle
from apps.forecasts.serving.contracts import BundleRef
from apps.forecasts.serving.store import BundleStore

if TYPE_CHECKING:
    from apps.registry.models import ModelVersion


@functools.cache
def store() -> BundleStore:
    """The bundles of this process."""
    return BundleStore(settings.BUNDLE_STORE_BYTES)


def bundle_of(*, key: TenantKey, version: ModelVersion) -> LoadedBundle:
    """The loaded bundle of a model version, its hash checked against the version's row."""
    ref = BundleRef(sha256=version.bundle_sha256, path=version.bundle_path, size=version.bundle_bytes)
    return store().get(ref, functools.partial(_load, key))


def _load(key: TenantKey, ref: BundleRef) -> LoadedBundle:
    try:
        return load_bundle(storage.read_content(key, ref.path, ref.sha256), ref.sha256)
    except EngineError as error:
        raise EngineFailure(error) from error
