"""``/v1/members`` and ``/v1/invitations``. A key lets people in and out as an admin would, and never touches owners."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import hosts, queries
from apps.accounts.models import Invitation, Membership
from apps.accounts.services import Authority, invitations, members
from apps.core.api import page
from apps.core.ids import parse_public_id, public_id

READ, MANAGE = "members:read", "members:manage"


class RoleBody(serializers.Serializer[Any]):
    """``{"role": "viewer"}``."""

    role = serializers.CharField(max_length=30)


class InvitationBody(RoleBody):
    """``{"email": "…", "role": "viewer"}``, optionally ``message`` and ``expires_in_days``."""

    email = serializers.CharField(max_length=254)
    message = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)
    expires_in_days = serializers.IntegerField(required=False, default=invitations.DAYS)


class Members(APIView):
    """The people of the tenant."""

    required_scope: ClassVar = {"GET": READ}

    def get(self, request: Request) -> Response:
        """Newest first."""
        return page(request, queries.list_seats(), show_member)


class MemberDetail(APIView):
    """One member."""

    required_scope: ClassVar = {"GET": READ, "PATCH": MANAGE, "DELETE": MANAGE}

    def get(self, request: Request, member_id: str) -> Response:
        """Who it is, and as what."""
        return Response(show_member(queries.get_seat(member_id=parse_public_id("mem", member_id))))

    def patch(self, request: Request, member_id: str) -> Response:
        """``{"role": …}``: another role."""
        body = _valid(RoleBody, request)
        found = parse_public_id("mem", member_id)
        members.change_role(member_id=found, role=body["role"], by=_authority(request))
        return Response(show_member(queries.get_seat(member_id=found)))

    def delete(self, request: Request, member_id: str) -> Response:
        """204: sessions and personal keys of the person have ended."""
        members.remove(member_id=parse_public_id("mem", member_id), by=_authority(request))
        return Response(status=204)


class Invitations(APIView):
    """Who is, or was, invited."""

    required_scope: ClassVar = {"GET": READ, "POST": MANAGE}

    def get(self, request: Request) -> Response:
        """Newest first, in all states."""
        return page(request, queries.list_invitations(), show_invitation)

    def post(self, request: Request) -> Response:
        """201, with the link in ``url``, which is given here and on resending alone."""
        body = _valid(InvitationBody, request)
        (invitation,) = invitations.invite(
            emails=[body["email"]],
            role=body["role"],
            message=body["message"],
            days=body["expires_in_days"],
            by=_authority(request),
        )
        location = reverse("api-invitation", args=[public_id("inv", invitation.id)])
        answer = _with_link(invitation, 201)
        answer["Location"] = request.build_absolute_uri(location)
        return answer


class InvitationDetail(APIView):
    """One invitation."""

    required_scope: ClassVar = {"GET": READ, "DELETE": MANAGE}

    def get(self, request: Request, invitation_id: str) -> Response:
        """Its state."""
        found = parse_public_id("inv", invitation_id)
        return Response(show_invitation(queries.get_invitation(invitation_id=found)))

    def delete(self, request: Request, invitation_id: str) -> Response:
        """204: the link has ended; 409 where it was accepted or revoked before."""
        invitations.revoke(invitation_id=parse_public_id("inv", invitation_id), by=_authority(request))
        return Response(status=204)


class InvitationResending(APIView):
    """A further mail for an invitation."""

    required_scope: ClassVar = {"POST": MANAGE}

    def post(self, request: Request, invitation_id: str) -> Response:
        """A new link and a new expiry; the earlier link has ended."""
        found = parse_public_id("inv", invitation_id)
        return _with_link(invitations.resend(invitation_id=found, by=_authority(request)), 200)


def show_member(seat: Membership) -> dict[str, Any]:
    """A member as the API gives it."""
    return {
        "id": public_id("mem", seat.id),
        "user_id": public_id("usr", seat.user_id),
        "email": seat.user.email,
        "name": seat.user.name,
        "role": seat.role,
        "created_at": seat.created_at,
        "last_seen_at": seat.seen_at,
    }


def show_invitation(invitation: Invitation) -> dict[str, Any]:
    """An invitation as the API gives it."""
    return {
        "id": public_id("inv", invitation.id),
        "email": invitation.email,
        "role": invitation.role,
        "status": invitation.state,
        "message": invitation.message,
        "invited_by": public_id("usr", invitation.invited_by) if invitation.invited_by else None,
        "created_at": invitation.created_at,
        "sent_at": invitation.sent_at,
        "expires_at": invitation.expires_at,
        "accepted_at": invitation.accepted_at,
        "revoked_at": invitation.revoked_at,
    }


def _with_link(invitation: Invitation, status: int) -> Response:
    token = invitations.token_of(invitation_id=invitation.id, number=invitation.number)
    body = {**show_invitation(invitation), "url": hosts.public_link(f"/invitations/{token}/")}
    return Response(body, status=status, headers={"Cache-Control": "no-store"})


def _valid(body: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The body, checked for shape; unknown members are left to themselves."""
    form = body(data=request.data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def _authority(request: Request) -> Authority:
    """The key, and for a personal one the person that it belongs to."""
    owner: uuid.UUID | None = getattr(request.auth, "owner_id", None)
    return Authority(user_id=owner, by_key=True)
