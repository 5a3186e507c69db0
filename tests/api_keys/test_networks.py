"""Networks of a key: what is read, what is refused and how, and who lies in them."""

from __future__ import annotations

import pytest

from apps.api_keys import networks
from apps.api_keys.errors import NetworkRefused, TooManyNetworks


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.0/24 ", "203.0.113.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8:0:0::1", "2001:db8::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_an_entry_is_kept_in_its_one_form(given: str, kept: str) -> None:
    assert networks.parse([given, given]) == [kept]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("10.0.0.300", "not an IP address"),
        ("example.com", "not an IP address"),
        ("", "not an IP address"),
        ("10.0.0.0/33", "0 to 32"),
        ("2001:db8::/129", "0 to 128"),
        ("10.0.0.0/255.0.0.0", "0 to 32"),
        ("10.0.0.0/-1", "0 to 32"),
        ("10.0.0.0/", "not an IP address|0 to 32"),
        ("10.0.0.1/8", "did you mean 10.0.0.0/8"),
        ("2001:db8::1/32", "did you mean 2001:db8::/32"),
        ("::ffff:10.0.0.1", "in its own form"),
        ("fe80::1%eth0", "without its zone"),
        ("10.0.0.0/٨", "0 to 32"),
    ],
)
def test_a_wrong_entry_is_named_with_its_place(given: str, words: str) -> None:
    with pytest.raises(NetworkRefused, match=words) as caught:
        networks.parse(["192.0.2.0/24", given, "198.51.100.1"])
    (fault,) = caught.value.errors
    assert fault.pointer == "/networks/1"


def test_all_wrong_entries_are_named_at_once() -> None:
    with pytest.raises(NetworkRefused) as caught:
        networks.parse(["x", "192.0.2.0/24", "y"])
    assert [fault.pointer for fault in caught.value.errors] == ["/networks/0", "/networks/2"]


def test_the_list_has_an_end() -> None:
    with pytest.raises(TooManyNetworks):
        networks.parse(f"10.0.{number}.0/24" for number in range(51))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.255", True),
        ("203.0.114.0", False),
        ("::ffff:203.0.113.9", True),
        ("2001:db8::9", True),
        ("2001:db9::9", False),
        ("", False),
        (None, False),
        ("nonsense", False),
    ],
)
def test_an_address_is_in_or_out(address: str | None, allowed: bool) -> None:
    ranges = [networks.read("203.0.113.0/24"), networks.read("2001:db8::/32")]
    assert networks.allows(ranges, address) is allowed
    assert networks.allows([], address) is True


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        ([], [], True),
        (["10.0.0.0/8"], [], True),
        ([], ["10.0.0.0/8"], False),
        (["10.1.0.0/16"], ["192.0.2.0/24", "10.0.0.0/8"], True),
        (["10.0.0.0/7"], ["10.0.0.0/8"], False),
        (["2001:db8::/48"], ["10.0.0.0/8"], False),
        (["2001:db8::/48"], ["2001:db8::/32"], True),
    ],
)
def test_nobody_hands_on_networks_of_which_they_are_not(
    inner: list[str], outer: list[str], within: bool
) -> None:
    assert networks.lie_within(inner, outer) is within
