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


class NewPasswordRefused(PasswordRefused):
    """As above, for a form that asks for an old and a new one."""

    code = "new_password_refused"
    field = "new"
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


class PeopleError(AppError):
    """The common parent of what is refused about members and invitations; ``field`` is the form's, if any."""

    field: ClassVar[str | None] = None


class RoleUnknown(PeopleError):
    """Not one of the six."""

    kind = Kind.UNPROCESSABLE
    code = "role_unknown"
    title = "There is no such role"
    field = "role"
    template = "{role!r} is not a role; the roles are {known}."


class RoleNotYours(PeopleError):
    """Nobody gives or takes more than they have."""

    kind = Kind.FORBIDDEN
    code = "role_not_yours"
    title = "Not yours to give or take"
    field = "role"
    template = "The role {role!r} can be given and taken by an owner alone."


class LastOwner(PeopleError):
    """A tenant always has an owner."""

    kind = Kind.CONFLICT
    code = "last_owner"
    title = "The last owner stays"
    template = "{email} is the only owner. Make somebody else an owner first, or delete the company."


class AlreadyMember(PeopleError):
    """Nobody is invited to where they are."""

    kind = Kind.CONFLICT
    code = "already_member"
    title = "Already a member"
    field = "emails"
    template = "{email} is a member already, as {role}."


class AlreadyInvited(PeopleError):
    """There is one open invitation for an address at a time."""

    kind = Kind.CONFLICT
    code = "already_invited"
    title = "Already invited"
    field = "emails"
    template = "{email} has an open invitation. Send it again, or revoke it first."


class InviteesRefused(PeopleError):
    """One or several of the addresses that were typed cannot be invited; nobody was."""

    kind = Kind.UNPROCESSABLE
    code = "invitees_refused"
    title = "Not all can be invited"
    field = "emails"
    template = "{reasons} Nobody was invited yet."


class TooManyInvitees(PeopleError):
    """At once, or open at a time."""

    kind = Kind.UNPROCESSABLE
    code = "too_many_invitees"
    title = "Too many invitations"
    field = "emails"
    template = "At most {limit} {what}."


class ExpiryOutOfRange(PeopleError):
    """An invitation is good for some days."""

    kind = Kind.UNPROCESSABLE
    code = "invitation_days_out_of_range"
    title = "Not a possible expiry"
    field = "days"
    template = "An invitation is good for 1 to {limit} days, not for {days}."


class MessageTooLong(PeopleError):
    """The words that go with an invitation."""

    kind = Kind.UNPROCESSABLE
    code = "invitation_message_too_long"
    title = "The message is too long"
    field = "message"
    template = "The message has {length} characters; at most {limit} are possible."


class InvitationNotOpen(PeopleError):
    """It was accepted or revoked in the meantime."""

    kind = Kind.CONFLICT
    code = "invitation_not_open"
    title = "The invitation is not open any more"
    template = "The invitation of {email} is {state}."


class InvitationRefused(AppError):
    """The common parent of what a link of an invitation answers when it cannot be accepted."""

    kind = Kind.FORBIDDEN
    code = "invitation_refused"
    title = "This invitation cannot be accepted"


class InvitationUnreadable(InvitationRefused):
    """Not a link of ours, or not whole."""

    kind = Kind.NOT_FOUND
    code = "invitation_unreadable"
    title = "This is not an invitation"
    template = "A part of the link seems to be lost. Please open it again from the mail, or copy it whole."


class InvitationReplaced(InvitationRefused):
    """It was sent again, which ends the earlier link."""

    code = "invitation_replaced"
    title = "There is a newer link"
    template = "This invitation was sent again later. Please use the link of the newest mail."


class InvitationExpired(InvitationRefused):
    """Too late."""

    code = "invitation_expired"
    title = "This invitation has expired"
    template = "It was good until {until}. Please ask {company} to send it again."


class InvitationRevoked(InvitationRefused):
    """Taken back."""

    code = "invitation_revoked"
    title = "This invitation was taken back"
    template = "{company} has revoked it. If that surprises you, please ask the person who invited you."


class InvitationUsed(InvitationRefused):
    """Good once."""

    kind = Kind.CONFLICT
    code = "invitation_used"
    title = "This invitation was accepted already"
    template = "If it was you, just log in. If not, please ask {company} for an invitation of your own."


class InvitationForAnother(InvitationRefused):
    """An invitation is for one address."""

    code = "invitation_for_another"
    title = "This invitation is for somebody else"
    template = "It is for {invited}, and you are logged in as {present}. Please log out, then open the link as {invited}."


class InvitationToClosed(InvitationRefused):
    """Suspended, or about to be deleted."""

    kind = Kind.CONFLICT
    code = "invitation_to_closed_company"
    title = "Not open at the moment"
    template = "{company} {reason}, so nobody can join for now. Please ask the person who invited you."


class PasswordWrong(AppError):
    """A step that asks for the password once more."""

    kind = Kind.UNPROCESSABLE
    code = "password_wrong"
    title = "The password is wrong"
    template = "That is not your password."
    field: ClassVar[str] = "password"


class OldPasswordWrong(PasswordWrong):
    """The same, of a form that asks for an old and a new one."""

    field = "old"


class AddressNotTyped(AppError):
    """What cannot be undone is confirmed by typing the address."""

    kind = Kind.UNPROCESSABLE
    code = "address_not_typed"
    title = "Not confirmed"
    template = "Please type {address!r}, the address of the company that is to be deleted."
    field: ClassVar[str] = "typed"


class ResetLinkInvalid(AppError):
    """Used, older than an hour, or not ours."""

    kind = Kind.NOT_FOUND
    code = "reset_link_invalid"
    title = "This link cannot be used any more"
    template = "A link for a new password is good for one hour and once. Please ask for a new one."


class PersonNameTooLong(AppError):
    """Longer than a page can show."""

    kind = Kind.UNPROCESSABLE
    code = "person_name_too_long"
    title = "The name is too long"
    template = "The name has {length} characters; at most {limit} are possible."
    field: ClassVar[str] = "name"
