"""The networks that a key may be used from: addresses and ranges in CIDR form, IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from apps.api_keys.errors import NetworkRefused, TooManyNetworks
from apps.core.errors import FieldError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST: Final = 50


def parse(entries: Iterable[str]) -> list[str]:
    """The entries in their one canonical form, each once.

    Raises ``NetworkRefused``, which names each entry that is wrong and what to write instead, or
    ``TooManyNetworks``.
    """
    given = [" ".join(entry.split()) for entry in entries]
    if len(given) > MOST:
        raise TooManyNetworks(limit=MOST)
    found, faults = [], []
    for index, entry in enumerate(given):
        try:
            found.append(str(read(entry)))
        except ValueError as error:
            faults.append(FieldError("invalid", f"{entry[:60]!r}: {error}", pointer=f"/networks/{index}"))
    if faults:
        raise NetworkRefused(wrong="; ".join(fault.detail for fault in faults), errors=faults)
    return list(dict.fromkeys(found))


def read(entry: str) -> Network:
    """One entry; ``ValueError`` says what is wrong with it."""
    address, slash, length = entry.partition("/")
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(
            "not an IP address; write one such as 203.0.113.7, or a range such as 203.0.113.0/24"
        ) from None
    if slash and not (length.isascii() and length.isdigit() and int(length) <= host.max_prefixlen):
        raise ValueError(f"behind the slash stands the prefix' length, 0 to {host.max_prefixlen}")
    if isinstance(host, ipaddress.IPv6Address) and (host.ipv4_mapped or host.scope_id):
        raise ValueError("write an IPv4 address in its own form, and an IPv6 address without its zone")
    network = ipaddress.ip_network(f"{address}/{length}" if slash else address, strict=False)
    if network.network_address != host:
        raise ValueError(f"the address has bits behind its prefix; did you mean {network}?")
    return network


def allows(networks: Sequence[Network], address: str | None) -> bool:
    """Whether ``address`` lies in one of ``networks``; a key without any may be used from everywhere."""
    if not networks:
        return True
    try:
        host = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    return any(host in network for network in networks)


def lie_within(inner: Iterable[str], outer: Sequence[str]) -> bool:
    """Whether every address of ``inner`` is one of ``outer``; an empty list is every address there is."""
    if not outer:
        return True
    ranges, whole = [read(entry) for entry in outer], [read(entry) for entry in inner]
    return bool(whole) and all(any(_within(each, other) for other in ranges) for each in whole)


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False
