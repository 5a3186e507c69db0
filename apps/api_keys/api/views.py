"""``/v1/key``: what the key that was sent is; ``/v1/keys``: the tenant's keys, for keys that may manage them."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api_keys import ceilings, queries, services
from apps.api_keys.api import reading, showing
from apps.api_keys.ceilings import Ceiling
from apps.api_keys.permissions import HasKey, principal_of
from apps.core.api import page, read, text_parameter
from apps.core.ids import parse_public_id, public_id

NO_STORE = {"Cache-Control": "no-store"}


class KeyView(APIView):
    """Needs no scope: a key may always ask about itself."""

    permission_classes = [HasKey]

    def get(self, request: Request) -> Response:
        """The key's settings, tenant, limits and use; never its secret."""
        principal = principal_of(request)
        key = queries.get_key(key_id=principal.key_id)
        return Response(showing.show_self(key, principal), headers=NO_STORE)


class Keys(APIView):
    """The tenant's keys, and a new one."""

    required_scope: ClassVar = {"GET": "keys:manage", "POST": "keys:manage"}

    def get(self, request: Request) -> Response:
        """Paged, newest first; ``?state=active`` or ``ended``, and ``?search=`` over names and public parts."""
        keys = queries.list_keys(
            shown=text_parameter(request, "state"), search=text_parameter(request, "search")[:80]
        )
        return page(request, keys, showing.show)

    def post(self, request: Request) -> Response:
        """201 with the key's text, which is shown here and never again."""
        ceiling = _ceiling(request)
        wishes = reading.read_new(request.data, ceiling.ends_at)
        with reading.pointing():
            key, text = services.create(**wishes, ceiling=ceiling)
        return _made(showing.show_new(key, text))


class Key(APIView):
    """One key."""

    required_scope: ClassVar = {"GET": "keys:manage", "PATCH": "keys:manage", "DELETE": "keys:manage"}

    def get(self, request: Request, key_id: str) -> Response:
        """404 where there is none."""
        return Response(showing.show_one(queries.get_key(key_id=parse_public_id("key", key_id))))

    def patch(self, request: Request, key_id: str) -> Response:
        """Change name, networks, rate or budget; takes effect within a second."""
        changes = read(reading.Settings, request.data)
        with reading.pointing():
            key = services.change(key_id=parse_public_id("key", key_id), ceiling=_ceiling(request), **changes)
        return Response(showing.show_one(key))

    def delete(self, request: Request, key_id: str) -> Response:
        """Revoke; the row stays, as what the key did stays."""
        return Response(showing.show_one(services.revoke(key_id=parse_public_id("key", key_id))))


class KeyRotation(APIView):
    """A new text for a key."""

    required_scope: ClassVar = {"POST": "keys:manage"}

    def post(self, request: Request, key_id: str) -> Response:
        """201 with the new key and its text; the old one works until ``replaces.rotating_until``."""
        overlap, old_id = reading.read_overlap(request.data), parse_public_id("key", key_id)
        with reading.pointing():
            key, text = services.rotate(key_id=old_id, ceiling=_ceiling(request), overlap=overlap)
        old = queries.get_key(key_id=old_id)
        replaces = {"id": public_id("key", old.id), "rotating_until": old.rotating_until}
        return _made({**showing.show_new(key, text), "replaces": replaces})


def _ceiling(request: Request) -> Ceiling:
    return ceilings.of_key(principal_of(request))


def _made(shown: dict[str, Any]) -> Response:
    return Response(shown, status=201, headers={**NO_STORE, "Location": f"/v1/keys/{shown['id']}"})
