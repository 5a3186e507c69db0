"""The page 'Members' on a tenant's host: people, their roles, and open invitations."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import hosts, queries
from apps.accounts.forms import InviteForm
from apps.accounts.http import TenantRequest
from apps.accounts.permissions import GRANTABLE, ROLE_WORDS, Role, require
from apps.accounts.services import Authority, invitations, members
from apps.accounts.views.forms import note, with_wait
from apps.core import problems
from apps.core.errors import AppError
from apps.core.ids import parse_public_id, public_id

PAGE = 100


@never_cache
@require_GET
@require("members:read")
def member_list(request: HttpRequest) -> HttpResponse:
    """Who belongs to the company and who is invited."""
    return _page(cast("TenantRequest", request), None, 200)


@never_cache
@require_POST
@require("members:manage")
def invite(request: HttpRequest) -> HttpResponse:
    """Send invitations, to all addresses or to none."""
    page = cast("TenantRequest", request)
    form = InviteForm(request.POST, roles=_grantable(page))
    if not form.is_valid():
        return _page(page, form, 422)
    data = form.cleaned_data
    try:
        sent = invitations.invite(
            emails=invitations.split_addresses(data["emails"]),
            role=data["role"],
            message=data["message"],
            days=data["days"],
            by=_authority(page),
        )
    except AppError as error:
        note(form, error)
        return with_wait(_page(page, form, problems.STATUS[error.kind]), error)
    messages.success(request, _told([invitation.email for invitation in sent]))
    return redirect("members:list")


@require_POST
@require("members:manage")
def resend(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """Send an invitation again, with a new link."""
    found = parse_public_id("inv", invitation_id)
    invitation = invitations.resend(invitation_id=found, by=_authority(cast("TenantRequest", request)))
    messages.success(request, f"{_told([invitation.email])} The earlier link has ended.")
    return redirect("members:list")


@require_POST
@require("members:manage")
def revoke(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """Take an invitation back."""
    found = parse_public_id("inv", invitation_id)
    invitation = invitations.revoke(invitation_id=found, by=_authority(cast("TenantRequest", request)))
    messages.success(request, f"The invitation of {invitation.email} is revoked; its link has ended.")
    return redirect("members:list")


@require_POST
@require("members:manage")
def change_role(request: HttpRequest, member_id: str) -> HttpResponse:
    """Give a member another role."""
    seat = members.change_role(
        member_id=parse_public_id("mem", member_id),
        role=request.POST.get("role", ""),
        by=_authority(cast("TenantRequest", request)),
    )
    messages.success(request, f"{_email(seat.user_id)} is now {_article(seat.role)}.")
    return redirect("members:list")


@require_POST
@require("members:manage")
def remove(request: HttpRequest, member_id: str) -> HttpResponse:
    """End somebody's membership."""
    page, found = cast("TenantRequest", request), parse_public_id("mem", member_id)
    email = _email(queries.get_seat(member_id=found).user_id)
    seat = members.remove(member_id=found, by=_authority(page))
    if seat.user_id == page.user.id:
        return _to_the_choice(request)
    messages.success(request, f"{email} is removed. Their sessions and personal keys have ended.")
    return redirect("members:list")


@require_POST
@require("tenant:read")
def leave(request: HttpRequest) -> HttpResponse:
    """End one's own membership."""
    members.leave(user_id=cast("TenantRequest", request).user.id)
    return _to_the_choice(request)


def _page(request: TenantRequest, form: InviteForm | None, status: int) -> HttpResponse:
    grantable = _grantable(request)
    people = queries.list_members()
    owners = sum(seat.role == Role.OWNER for _person, seat in people)
    page = Paginator(people, PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [_row(person, seat, request, grantable, owners) for person, seat in page],
        "roles": [(role.value, ROLE_WORDS[role]) for role in Role],
        "grantable": [role.value for role in Role if role in grantable],
        "invitations": _invitations(grantable) if grantable else [],
        "form": form or InviteForm(roles=grantable),
        "may_manage": bool(grantable),
        "sends_mail": sends_mail(),
    }
    return render(request, "accounts/members.html", context, status=status)


def _row(
    person: Any, seat: Any, request: TenantRequest, grantable: frozenset[Role], owners: int
) -> dict[str, Any]:
    last_owner = seat.role == Role.OWNER and owners == 1
    own = person.id == request.user.id
    return {
        "id": public_id("mem", seat.id),
        "person": person,
        "seat": seat,
        "own": own,
        "last_owner": last_owner,
        "may_change": seat.role in grantable and not last_owner,
        "may_leave": own and not last_owner,
    }


def _invitations(grantable: frozenset[Role]) -> list[dict[str, Any]]:
    """Open and expired ones. The link of a role that is not theirs to give is not shown to anybody."""
    rows = list(queries.list_invitations(all_states=False)[:PAGE])
    senders = queries.emails_of(user_ids={row.invited_by for row in rows if row.invited_by})
    return [
        {
            "id": public_id("inv", row.id),
            "invitation": row,
            "by": senders.get(row.invited_by, "") if row.invited_by else "",
            "link": link_of(row) if row.role in grantable and row.state == "pending" else "",
            "may_change": row.role in grantable,
        }
        for row in rows
    ]


def link_of(invitation: Any) -> str:
    """The absolute address that an invitation's mail leads to."""
    token = invitations.token_of(invitation_id=invitation.id, number=invitation.number)
    return hosts.public_link(f"/invitations/{token}/")


def sends_mail() -> bool:
    """Whether mails leave this installation; without a mail server they are files."""
    return settings.EMAIL_BACKEND.rpartition(".")[0].endswith(".smtp")


def _told(emails: list[str]) -> str:
    who = emails[0] if len(emails) == 1 else f"{len(emails)} people"
    if sends_mail():
        return f"A mail is on its way to {who}."
    return f"The invitation of {who} is ready. No mail server is set up here, so please pass the link on yourself."


def _authority(request: TenantRequest) -> Authority:
    return Authority(user_id=request.user.id)


def _grantable(request: TenantRequest) -> frozenset[Role]:
    return GRANTABLE[Role(request.membership.role)]


def _email(user_id: Any) -> str:
    return queries.emails_of(user_ids={user_id}).get(user_id, "This person")


def _article(role: str) -> str:
    return (
        f"{'an' if role[0] in 'aeiou' else 'a'} {role}" if role != Role.BILLING else "responsible for billing"
    )


def _to_the_choice(request: HttpRequest) -> HttpResponse:
    return redirect(hosts.bare_url(request, "/tenants/", domain=hosts.domain_and_port(request)[0], all="1"))
