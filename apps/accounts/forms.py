"""The forms of the bare host. What a field may hold is decided by the services."""

from __future__ import annotations

from django import forms


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
