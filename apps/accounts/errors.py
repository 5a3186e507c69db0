"""What can go wrong with people, sign-up and log-in. ``field`` names the form field that a person must
change."""

from __future__ import annotations

from typing import ClassVar

from apps.core.errors import AppError, Kind, RateLimited


class SignUpRefused(AppError):
    """The common parent: one field of the sign-up form cannot be accepted."""

    kind = Kind.UNPROCESSABLE
    code = "sign_up_refused"
    title = "This cannot be used to sign up"
    field: ClassVar[str] = "company"


class CompanyNameMissing(SignUpRefused):
    """Empty, or nothing but spaces and invisible characters."""

    code = "company_name_missing"
    template = "Please give the name of your company."


class CompanyNameTooLong(SignUpRefused):
    """Longer than a page can show."""

    code = "company_name_too_long"
    template = "The company name has {length} characters; at most {limit} are possible. Please shorten it."


class CompanyNameControl(SignUpRefused):
    """Control or direction-changing characters, which would make it read as something else."""

    code = "company_name_control_characters"
    template = "The company name holds the invisible character {character}. Please type the name anew."


class CompanyNameMixedScripts(SignUpRefused):
    """One word out of look-alike letters of two alphabets."""

    code = "company_name_mixed_alphabets"
    template = (
        "The word {word!r} mixes letters of two alphabets ({first} and {second}), which could pass for "
        "another company's name. Please type it in one alphabet."
    )


class AddressUnclear(SignUpRefused):
    """No web address can be made out of the company name."""

    code = "address_unclear"
    field = "address"
    template = (
        "No web address can be made out of {company!r}, as it has too few of the letters a-z and digits. "
        "Please choose an address, such as 'acme'."
    )


class AddressMalformed(SignUpRefused):
    """Not usable as a part of a host name."""

    code = "address_malformed"
    field = "address"
    template = (
        "{address!r} cannot be a web address: use 2 to {limit} letters a-z, digits and single hyphens, "
        "with a letter among them and no hyphen at either end."
    )


class AddressReserved(SignUpRefused):
    """A name that the service keeps for itself, or one that looks like it."""

    code = "address_reserved"
    field = "address"
    template = "The address {address!r} is reserved. Please choose another one, such as {suggestion!r}."


class AddressTaken(SignUpRefused):
    """Another tenant has it."""

    kind = Kind.CONFLICT
    code = "address_taken"
    field = "address"
    template = "The address {address!r} is taken. Please choose another one, such as {suggestion!r}."


class EmailMalformed(SignUpRefused):
    """Not an e-mail address."""

    code = "email_malformed"
    field = "email"
    template = "{email!r} is not an e-mail address, such as 'alice@example.com'."


class EmailTaken(SignUpRefused):
    """There is an account with that e-mail address."""

    kind = Kind.CONFLICT
    code = "email_taken"
    field = "email"
    template = "There is an account for {email} already. Please log in, or use another e-mail address."


class PasswordRefused(SignUpRefused):
    """Too short, too common, or like the e-mail address."""

    code = "password_refused"
    field = "password"
    template = "{reasons}"


class SignUpClosed(AppError):
    """The operator does not let strangers sign up."""

    kind = Kind.FORBIDDEN
    code = "sign_up_closed"
    title = "Sign-up is closed"
    template = "This installation does not take new sign-ups. Please ask its operator for an account."


class InvitationNeeded(AppError):
    """Only people with an invitation may sign up, and there is none, or it is not good."""

    kind = Kind.FORBIDDEN
    code = "invitation_needed"
    title = "An invitation is needed"
    template = "{reason} Please ask the operator of this installation for a new invitation."


class CredentialsWrong(AppError):
    """Unknown e-mail, wrong password, or a blocked account: always the same answer."""

    kind = Kind.UNAUTHENTICATED
    code = "credentials_wrong"
    title = "Not logged in"
    template = "The e-mail address or the password is wrong."


class TooManyAttempts(RateLimited):
    """The limit on log-ins or sign-ups is reached."""

    code = "too_many_attempts"
    template = "Too many {what}. Please try again in {wait}."


class HostCodeInvalid(AppError):
    """A code that was used before, is older than 30 s, or was made for another host or browser."""

    kind = Kind.FORBIDDEN
    code = "host_code_invalid"
    title = "This link is used up"
    template = "This link was used before or is too old. Please open the page again."


class LogInUnavailable(AppError):
    """Redis, which holds the codes between two hosts for a moment, is away."""

    kind = Kind.UNAVAILABLE
    code = "log_in_unavailable"
    title = "Log-in is not possible right now"
    template = "Logging in is not possible for a moment. Please try again in a few seconds."
    retryable = True
