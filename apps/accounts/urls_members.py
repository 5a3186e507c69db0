"""Members and invitations, on a tenant's host."""

from django.urls import path

from apps.accounts.views import members

app_name = "members"
urlpatterns = [
    path("", members.member_list, name="list"),
    path("invite/", members.invite, name="invite"),
    path("leave/", members.leave, name="leave"),
    path("<str:member_id>/role/", members.change_role, name="change_role"),
    path("<str:member_id>/remove/", members.remove, name="remove"),
    path("invitations/<str:invitation_id>/resend/", members.resend, name="resend"),
    path("invitations/<str:invitation_id>/revoke/", members.revoke, name="revoke"),
]
