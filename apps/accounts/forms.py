"""The forms of people. What a field may hold is decided by the services."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms

from apps.accounts.permissions import Role


class SignUpForm(forms.Form):
    """A new company and its owner."""

    company = forms.CharField(
        label="Company",
        max_length=2000,
        widget=forms.TextInput(attrs={"autocomplete": "organization", "autofocus": True}),
    )
    email = forms.CharField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label="Password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    address = forms.CharField(
        label="Web address",
        required=False,
        max_length=300,
        help_text="Your part of the address of your pages; left empty, it is made from the company's name.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    invitation = forms.CharField(required=False, max_length=1000, widget=forms.HiddenInput)


class LogInForm(forms.Form):
    """E-mail address, password, and the path to go on to."""

    email = forms.CharField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label="Password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)


def _password(label: str, autocomplete: str = "current-password") -> forms.CharField:
    """A field whose content is never shown again."""
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, max_length=1024, strip=False, widget=widget)


class InviteForm(forms.Form):
    """Whom to invite, as what; the roles are those that the person may give."""

    emails = forms.CharField(
        label="E-mail addresses",
        max_length=15_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "none"}),
        help_text="One or several, parted by commas, spaces or lines.",
    )
    role = forms.CharField(label="Role", max_length=30, widget=forms.Select, initial=Role.VIEWER.value)
    days = forms.IntegerField(
        label="Good for",
        initial=7,
        widget=forms.NumberInput(attrs={"min": 1, "max": 30, "inputmode": "numeric"}),
    )
    message = forms.CharField(
        label="Message",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Goes into the mail, above the link.",
    )

    def __init__(self, *args: object, roles: Iterable[Role], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        allowed = set(roles)
        self.fields["role"].widget.choices = [
            (role.value, role.value.capitalize()) for role in Role if role in allowed
        ]


class RenameForm(forms.Form):
    """The company's name and address."""

    company = forms.CharField(
        label="Company", max_length=2000, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    address = forms.CharField(
        label="Web address",
        max_length=300,
        help_text="Links to the present address keep working: they lead to the new one.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )


class HandOverForm(forms.Form):
    """The next owner, and the password of the present one."""

    member = forms.CharField(label="Next owner", max_length=40, widget=forms.Select)
    stay = forms.BooleanField(label="I stay an owner too", required=False)
    password = _password("Your password")

    def __init__(self, *args: object, members: Iterable[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["member"].widget.choices = list(members)


class DeleteForm(forms.Form):
    """What an owner types before a company is closed."""

    typed = forms.CharField(
        label="Address of the company",
        max_length=300,
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
        ),
    )
    password = _password("Your password")


class NameForm(forms.Form):
    """How a person is called."""

    name = forms.CharField(
        label="Name", required=False, max_length=2000, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class PasswordForm(forms.Form):
    """The old password, and the new one."""

    old = _password("Present password")
    new = _password("New password", "new-password")


class ForgottenForm(forms.Form):
    """Where to send the link."""

    email = forms.CharField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


class ResetForm(forms.Form):
    """The new password."""

    new = _password("New password", "new-password")


class JoinForm(forms.Form):
    """A person who has no account yet: name and password; the address is the invitation's."""

    name = forms.CharField(
        label="Your name",
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = _password("Password", "new-password")
