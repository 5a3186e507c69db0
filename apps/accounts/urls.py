"""Pages on the bare host."""

from django.urls import path

from apps.accounts.views import account, entry, invitations, passwords

app_name = "accounts"
urlpatterns = [
    path("", entry.welcome, name="welcome"),
    path("signup/", entry.sign_up, name="sign_up"),
    path("login/", entry.log_in, name="log_in"),
    path("logout/", entry.log_out, name="log_out"),
    path("password/forgotten/", passwords.forgotten, name="password_forgotten"),
    path("password/reset/<str:token>/", passwords.reset, name="password_reset"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("tenants/", entry.choose_tenant, name="tenants"),
    path("enter/<slug:slug>/", entry.enter, name="enter"),
    path("account/", account.overview, name="account"),
    path("account/name/", account.rename, name="account_rename"),
    path("account/password/", account.change_password, name="account_password"),
    path("account/sessions/end-others/", account.end_others, name="account_end_others"),
    path("account/sessions/<str:session_id>/end/", account.end_session, name="account_end_session"),
    path("account/leave/<slug:slug>/", account.leave, name="account_leave"),
]
