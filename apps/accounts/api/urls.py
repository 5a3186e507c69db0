from django.urls import path

from apps.accounts.api import views

urlpatterns = [
    path("members", views.Members.as_view(), name="api-members"),
    path("members/<str:member_id>", views.MemberDetail.as_view(), name="api-member"),
    path("invitations", views.Invitations.as_view(), name="api-invitations"),
    path("invitations/<str:invitation_id>", views.InvitationDetail.as_view(), name="api-invitation"),
    path(
        "invitations/<str:invitation_id>/resend",
        views.InvitationResending.as_view(),
        name="api-invitation-resend",
    ),
]
