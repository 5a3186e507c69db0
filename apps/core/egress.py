"""Calls to addresses that customers name: only to public ones, and to the very address that was checked.

A name is resolved once, every address it has is checked, and the connection goes to a checked one, so that an answer that
changes in between (DNS rebinding) changes nothing. Redirects are followed by hand, each hop checked anew.
``settings.EGRESS_ALLOW`` names hosts and networks of the company's own that are allowed all the same.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpcore
import httpx
from django.conf import settings

from apps.core.errors import AppError, Kind

PORTS: Final = frozenset({80, 443, 8443})
REDIRECTS: Final = 3
SECONDS: Final = httpx.Timeout(20.0, connect=10.0)
CHUNK_BYTES: Final = 1 << 20
_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "x-api-key"})
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(AppError):
    """An address that may not be called."""

    kind = Kind.UNPROCESSABLE
    code = "address_refused"
    title = "That address may not be called"
    template = "{host} cannot be called: {reason}."


class CallFailed(AppError):
    """The other side did not answer as it should."""

    kind = Kind.UNPROCESSABLE
    code = "call_failed"
    title = "The other side did not answer as it should"
    template = "{host}: {reason}."


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: the answer's headers (lower case), how many bytes, whether the other side said that nothing is new."""

    headers: Mapping[str, str]
    size: int
    not_modified: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: its status, its headers (case does not matter), and the beginning of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_url(url: str) -> httpx.URL:
    """The URL, if its form is one that may be called; its host's addresses are checked at the call. Raises
    ``AddressRefused``."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise AddressRefused(host=str(url)[:80], reason="it is not a web address") from None
    host = parsed.host
    if parsed.scheme not in ("https", "http") or not host:
        raise AddressRefused(host=str(url)[:80], reason="it must begin with https://")
    if parsed.userinfo:
        raise AddressRefused(host=host, reason="a user name or password may not stand in the address")
    if not _is_allowed_host(host):
        if parsed.scheme == "http":
            raise AddressRefused(host=host, reason="only https is called")
        if (parsed.port or 443) not in PORTS:
            raise AddressRefused(host=host, reason=f"port {parsed.port} is not one of {sorted(PORTS)}")
        _refuse_odd_host(host)
    return parsed


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, each checked. Raises ``AddressRefused`` where one may not be called, or there is none."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressRefused(host=host, reason="the name has no address") from None
    texts = list(dict.fromkeys(str(each[4][0]).split("%")[0] for each in found))
    if not texts:
        raise AddressRefused(host=host, reason="the name has no address")
    for text in texts:
        if not _is_allowed_host(host) and not may_call(ipaddress.ip_address(text)):
            raise AddressRefused(host=host, reason="it leads to a private or reserved network")
    return texts


def may_call(address: IPAddress) -> bool:
    """Whether an address is public, whatever form it is wrapped in, or explicitly allowed."""
    if any(address in network for network in _allowed_networks() if network.version == address.version):
        return True
    inner = list(_embedded(address))
    if inner:
        return all(may_call(each) for each in inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def is_own(host: str, address: str) -> bool:
    """Whether the host is one that the operator allows beyond the public ones."""
    one = ipaddress.ip_address(address)
    networks = (each for each in _allowed_networks() if each.version == one.version)
    return _is_allowed_host(host) or any(one in network for network in networks)


def download(
    url: str,
    into: Path,
    *,
    limit_bytes: int,
    headers: Mapping[str, str] | None = None,
    redirects: int = REDIRECTS,
) -> Fetched:
    """Write what the URL gives to ``into``. Raises ``AddressRefused`` and ``CallFailed``; nothing of ``headers`` is in them."""
    target, sent = check_url(url), {name.lower(): value for name, value in (headers or {}).items()}
    for _hop in range(redirects + 1):
        with _called("GET", target, sent) as answer:
            if not answer.has_redirect_location:
                return _taken(answer, into, limit_bytes)
            following = check_url(str(target.join(answer.headers.get("location", ""))))
        if (following.scheme, following.host, following.port) != (target.scheme, target.host, target.port):
            sent = {name: value for name, value in sent.items() if name not in _SECRET_HEADERS}
        target = following
    raise CallFailed(host=target.host, reason=f"it redirects more than {redirects} times")


def post(
    url: str, content: bytes, *, headers: Mapping[str, str], seconds: float, most_bytes: int
) -> Answered:
    """What the URL answers to ``content``, whatever its status, the first ``most_bytes`` of it; no redirect is followed.

    All of it takes no longer than ``seconds``, however slowly the other side sends. Raises ``AddressRefused`` and
    ``CallFailed``.
    """
    target = check_url(url)
    with (
        _as_call_failed(target.host),
        client(timeout=httpx.Timeout(seconds), deadline=time.monotonic() + seconds) as made,
        made.stream("POST", target, content=content, headers=dict(headers)) as answer,
    ):
        return Answered(answer.status_code, answer.headers, _beginning(answer, most_bytes))


def place_of(url: httpx.URL) -> tuple[str, int]:
    """The host and port that a URL leads to."""
    return url.host, url.port or (443 if url.scheme == "https" else 80)


@contextmanager
def client(*, timeout: httpx.Timeout = SECONDS, deadline: float | None = None) -> Iterator[httpx.Client]:
    """A client whose connections go to checked addresses only; it follows no redirect and reads no proxy settings.

    ``deadline`` (of ``time.monotonic``): nothing is read or written after it.
    """
    transport = httpx.HTTPTransport(verify=ssl.create_default_context(), trust_env=False)
    transport._pool = httpcore.ConnectionPool(
        ssl_context=_trust(), network_backend=_CheckedNetwork(deadline), max_connections=4
    )
    with httpx.Client(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False) as made:
        yield made


class _CheckedNetwork(httpcore.SyncBackend):
    """Connects to an address that was checked, never to a name."""

    def __init__(self, deadline: float | None = None) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """The first address that takes the connection."""
        found = addresses(host, port)
        for number, address in enumerate(found, start=1):
            try:
                made = super().connect_tcp(address, port, timeout, local_address, socket_options)
                return made if self._deadline is None else _UntilDeadline(made, self._deadline)
            except httpcore.ConnectError:
                if number == len(found):
                    raise
        raise AssertionError("addresses() gives at least one")


class _UntilDeadline(httpcore.NetworkStream):
    """A stream on which nothing takes longer than until a moment: a timeout for each read alone lets who drips go on."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As the stream's; raises ``httpcore.ReadTimeout``."""
        return self._stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As the stream's; raises ``httpcore.WriteTimeout``."""
        self._stream.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """As the stream's."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """As the stream's; raises ``httpcore.ConnectTimeout``."""
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _UntilDeadline(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """As the stream's."""
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None, over: type[Exception]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise over("the time is over")
        return left if timeout is None else min(left, timeout)


def _beginning(answer: httpx.Response, most_bytes: int) -> bytes:
    """The first bytes; a body that breaks off or never ends is what came of it."""
    came = b""
    with suppress(httpx.HTTPError):
        for piece in answer.iter_bytes(most_bytes):
            came += piece
            if len(came) >= most_bytes:
                break
    return came[:most_bytes]


@contextmanager
def _called(method: str, url: httpx.URL, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    with (
        _as_call_failed(url.host),
        client() as made,
        made.stream(method, url, headers=dict(headers)) as answer,
    ):
        yield answer


@contextmanager
def _as_call_failed(host: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException:
        raise CallFailed(host=host, reason="it did not answer in time") from None
    except httpx.HTTPError as error:
        raise CallFailed(host=host, reason=f"the connection failed ({type(error).__name__})") from None


def _taken(answer: httpx.Response, into: Path, limit_bytes: int) -> Fetched:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status_code == httpx.codes.NOT_MODIFIED:
        return Fetched(headers, 0, not_modified=True)
    host = answer.url.host
    if answer.status_code != httpx.codes.OK:
        raise CallFailed(host=host, reason=f"it answered {answer.status_code} {answer.reason_phrase}".strip())
    size = 0
    with into.open("wb") as out:
        for piece in answer.iter_bytes(CHUNK_BYTES):
            size += len(piece)
            if size > limit_bytes:
                raise CallFailed(host=host, reason=f"it sends more than {limit_bytes:,} bytes")
            out.write(piece)
    return Fetched(headers, size)


def _embedded(address: IPAddress) -> Iterator[ipaddress.IPv4Address]:
    """IPv4 addresses that an IPv6 address stands for."""
    if not isinstance(address, ipaddress.IPv6Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if any(address in network for network in _NAT64) or (int(address) >> 32 == 0 and int(address) > 1):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _refuse_odd_host(host: str) -> None:
    """A number in another guise (octal, hexadecimal, one integer, fewer parts) is what no honest address is."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        if last.isdecimal() or last.lower().startswith("0x"):
            raise AddressRefused(host=host, reason="numbers of that form are not taken") from None


def _is_allowed_host(host: str) -> bool:
    return host.strip("[]").lower() in {each.lower() for each in settings.EGRESS_ALLOW}


def _allowed_networks() -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for each in settings.EGRESS_ALLOW:
        try:
            yield ipaddress.ip_network(each)
        except ValueError:
            continue  # a host's name


def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.EGRESS_CA_FILE:
        context.load_verify_locations(settings.EGRESS_CA_FILE)
    return context
