"""From a company's name to the address of its pages: ``Müller & Söhne`` -> ``muller-sohne``."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from apps.accounts import errors

COMPANY_LENGTH: Final = 120
ADDRESS_LENGTH: Final = 40
ADDRESS: Final = re.compile(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9]|-(?!-)){0,38}[a-z0-9]")
RESERVED: Final = frozenset(
    """
    about account accounts admin administrator almanac api app apps assets auth autoconfig autodiscover
    beta billing blog broker cache cdn cms console dashboard db default demo-admin dev docs email enter
    error errors files ftp git graphql grpc health help host imap info information-schema internal
    invite kubernetes livez localhost login logout mail media metrics mlflow monitor mx news ns ns1 ns2
    oauth operator operators owner pgbouncer pop postgres postgresql private prod production public
    readyz redis register root security session sessions signin signup smtp sso staff staging static
    status stripe support sysadmin system tenant tenants test uploads usage users valkey web webhook
    webhooks webmaster wpad www www1 www2
    """.split()  # noqa: SIM905 - a list of words reads better as one
)
RESERVED_PREFIXES: Final = ("pg-", "t-", "xn-", "almanac-")
_UNSPELLED: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "ı": "i"}
)
_LOOKALIKE: Final = str.maketrans(
    {"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "i": "l"}
)


def clean_company(company: str) -> str:
    """The name as it is shown: NFC, single spaces. Raises a ``SignUpRefused`` that says what is wrong with
    it."""
    name = " ".join(unicodedata.normalize("NFC", company).split())
    if not name.strip("\u200b\u200c\u200d\u2060\ufeff"):
        raise errors.CompanyNameMissing
    if len(name) > COMPANY_LENGTH:
        raise errors.CompanyNameTooLong(length=len(name), limit=COMPANY_LENGTH)
    _refuse_control(name)
    for word in name.split():
        _refuse_mixed_scripts(word)
    return name


def derive_address(company: str) -> str:
    """The address that a (clean) company name gives; ``AddressUnclear`` if it has too few Latin letters or
    digits."""
    spelled = unicodedata.normalize("NFKD", company).lower().translate(_UNSPELLED)
    kept = spelled.encode("ascii", "ignore").decode().replace("'", "")
    whole = re.sub(r"[^a-z0-9]+", "-", kept).strip("-")
    address = whole[:ADDRESS_LENGTH].strip("-")
    if not ADDRESS.fullmatch(address) or _lost_letters(company, whole):
        raise errors.AddressUnclear(company=company)
    return address


def check_address(address: str) -> str:
    """``address`` in lower case if it can be a tenant's; else ``AddressMalformed`` or ``AddressReserved``."""
    address = address.strip().lower()
    if not ADDRESS.fullmatch(address):
        raise errors.AddressMalformed(address=address[:60], limit=ADDRESS_LENGTH)
    if is_reserved(address):
        raise errors.AddressReserved(address=address, suggestion=f"team-{address[:30]}".rstrip("-"))
    return address


def is_reserved(address: str) -> bool:
    """Whether the service keeps ``address`` for itself; ``adm1n`` counts as ``admin``."""
    return (
        address in RESERVED
        or skeleton(address) in _RESERVED_SKELETONS
        or address.startswith(RESERVED_PREFIXES)
    )


def skeleton(address: str) -> str:
    """``address`` with characters that look alike made the same and hyphens left out."""
    return address.replace("-", "").replace("rn", "m").replace("vv", "w").translate(_LOOKALIKE)


def next_address(address: str) -> str:
    """Another address near ``address``, to propose in place of one that is taken: ``acme`` -> ``acme-2`` ->
    ``acme-3``."""
    base, _, number = address.rpartition("-")
    if base and number.isdigit():
        return f"{base}-{int(number) + 1}"
    return f"{address[: ADDRESS_LENGTH - 3].rstrip('-')}-2"


def _lost_letters(company: str, address: str) -> bool:
    """Whether half of the name's letters have no Latin spelling: the address would not be recognised."""
    return sum(character.isalnum() for character in company) >= 2 * sum(
        character.isalnum() for character in address
    )


def _refuse_control(name: str) -> None:
    for character in name:
        joins_emoji = character == "\u200d"
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co"} and not joins_emoji:
            raise errors.CompanyNameControl(character=f"U+{ord(character):04X}")


def _refuse_mixed_scripts(word: str) -> None:
    scripts = {_script(character): character for character in word if character.isalpha()}
    alphabets = [
        script
        for script in scripts
        if script in {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"}
    ]
    if len(alphabets) > 1:
        raise errors.CompanyNameMixedScripts(
            word=word[:40], first=alphabets[0].title(), second=alphabets[1].title()
        )


def _script(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").split()[0].split("-")[0]


_RESERVED_SKELETONS: Final = frozenset(skeleton(word) for word in RESERVED)
