"""From a company's name to the address of its pages."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import errors, naming


@pytest.mark.parametrize(
    ("company", "address"),
    [
        ("Acme", "acme"),
        ("  Acme   Corp. ", "acme-corp"),
        ("Müller & Söhne GmbH", "muller-sohne-gmbh"),
        ("Straßenbau Weiß", "strassenbau-weiss"),
        ("O'Neill's", "oneills"),
        ("🚀 Rockets", "rockets"),
        ("𝐀𝐜𝐦𝐞", "acme"),
        ("3M Company", "3m-company"),
        ("A--B", "a-b"),
        ("x" * 100, "x" * 40),
    ],
)
def test_a_company_name_gives_an_address(company: str, address: str) -> None:
    assert naming.check_address(naming.derive_address(naming.clean_company(company))) == address


@pytest.mark.parametrize("company", ["株式会社", "🚀🚀", "Асме", "!!!", "7", "123", "株式会社鈴木製作所 ABC"])
def test_a_name_without_enough_latin_letters_asks_for_an_address(company: str) -> None:
    with pytest.raises(errors.AddressUnclear, match="choose an address"):
        naming.derive_address(naming.clean_company(company))


@pytest.mark.parametrize("company", ["Аcme", "Αcme", "Pаypal Inc", "Gооgle"])
def test_a_word_of_two_alphabets_is_refused_as_a_look_alike(company: str) -> None:
    with pytest.raises(errors.CompanyNameMixedScripts, match="two alphabets"):
        naming.clean_company(company)


def test_words_of_different_alphabets_side_by_side_are_a_name() -> None:
    assert naming.clean_company("Яндекс Group") == "Яндекс Group"


@pytest.mark.parametrize("company", ["", "   ", "\u200b", "\ufeff\u2060"])
def test_an_empty_name_is_refused(company: str) -> None:
    with pytest.raises(errors.CompanyNameMissing):
        naming.clean_company(company)


@pytest.mark.parametrize("company", ["Ac\u202eme", "Ac\x00me", "Ac\u200bme", "\ue000Acme"])
def test_invisible_characters_are_refused_and_named(company: str) -> None:
    with pytest.raises(errors.CompanyNameControl, match=r"U\+"):
        naming.clean_company(company)


def test_a_name_of_three_hundred_characters_is_refused_with_both_lengths() -> None:
    with pytest.raises(errors.CompanyNameTooLong, match="300 characters; at most 120"):
        naming.clean_company("a" * 300)


@pytest.mark.parametrize(
    "address",
    [
        "public",
        "admin",
        "www",
        "api",
        "ADMIN",
        "adm1n",
        "l0gin",
        "pg-catalog",
        "t-abc",
        "postgres",
        "ad-min",
        "xn-foo",
        "localhost",
    ],
)
def test_reserved_addresses_and_their_look_alikes_are_refused(address: str) -> None:
    with pytest.raises(errors.AddressReserved) as refusal:
        naming.check_address(address)
    naming.check_address(str(refusal.value.fields["suggestion"]))


@pytest.mark.parametrize(
    "address",
    [
        "a",
        "-acme",
        "acme-",
        "ac--me",
        "pg_catalog",
        "ac me",
        "acme.corp",
        "äcme",
        "12345",
        "a" * 41,
        "🚀🚀",
        "",
    ],
)
def test_what_cannot_be_part_of_a_host_name_is_refused(address: str) -> None:
    with pytest.raises(errors.AddressMalformed):
        naming.check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "a" * 300,
        "acme🚀",
        "аcme",  # a Cyrillic a
        "αcme",  # a Greek alpha
        "ａｃｍｅ",  # full-width
        "acme\u200b",
        "xn--80ak6aa92e",
        "pg_x",
        "acme\n.evil",
        "acme\u3002evil",
    ],
)
def test_what_only_looks_like_an_address_is_refused(address: str) -> None:
    with pytest.raises(errors.AddressMalformed):
        naming.check_address(address)


@pytest.mark.parametrize(
    "company", ["admin", "ＡＤＭＩＮ", "Public", "pg_x", "PG X", "xn--80ak6aa92e", "𝖆𝖉𝖒𝖎𝖓"]
)
def test_a_company_whose_name_gives_a_reserved_address_is_asked_for_another(company: str) -> None:
    with pytest.raises(errors.AddressReserved):
        naming.check_address(naming.derive_address(naming.clean_company(company)))


@given(st.text(max_size=200))
def test_any_text_gives_a_usable_address_or_a_clear_refusal(company: str) -> None:
    with contextlib.suppress(errors.SignUpRefused):
        address = naming.check_address(naming.derive_address(naming.clean_company(company)))
        assert naming.ADDRESS.fullmatch(address)
        assert not naming.is_reserved(address)


def test_the_next_address_counts_up() -> None:
    assert naming.next_address("acme") == "acme-2"
    assert naming.next_address("acme-2") == "acme-3"
    assert len(naming.next_address("x" * 40)) <= naming.ADDRESS_LENGTH
