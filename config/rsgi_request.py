"""Requests on their way in: the limits of one web process, bodies read in time, and WSGI's environment."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import logging
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import IO, Any

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # type: ignore[attr-defined]

log = logging.getLogger(__name__)

Environ = dict[str, Any]

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection"}
UPLOAD_METHODS = {"POST", "PUT", "PATCH"}
FORWARDED = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded"}


@dataclass(frozen=True)
class Limits:
    """What one web process takes on. Sizes in bytes, times in seconds."""

    body_bytes: int = 10 * 1024 * 1024
    upload_bytes: int = 1025 * 1024 * 1024  # a file of 1 GiB and what multipart wraps it in
    upload_paths: re.Pattern[str] = re.compile(r"^/(v1/)?(uploads|datasets|hosted-models|models/hosted)(/|$)")
    silence_seconds: float = 10.0  # between two pieces of a body
    body_seconds: float = 20.0  # for a small body; longer ones earn time at the rate below
    bytes_per_second: float = 20_000.0
    memory_bytes: int = (
        1024 * 1024
    )  # of a body; a larger one goes to a temporary file, and is asked about before
    spool: str | None = None  # the folder of these files, which have no name; None: the system's
    threads: int = 16
    waiting: int = 256  # requests that may wait for a thread
    trust_proxy: bool = False

    @classmethod
    def from_environment(cls) -> Limits:
        """The defaults, changed by ALMANAC_WEB_* variables."""
        number = functools.partial(_number, os.environ)
        return cls(
            body_bytes=number("ALMANAC_MAX_BODY_BYTES", cls.body_bytes),
            upload_bytes=number("ALMANAC_MAX_UPLOAD_BYTES", cls.upload_bytes - 1024 * 1024) + 1024 * 1024,
            threads=number("ALMANAC_WEB_THREADS", cls.threads),
            waiting=number("ALMANAC_WEB_WAITING", cls.waiting),
            trust_proxy=os.environ.get("ALMANAC_TRUST_PROXY", "").lower() in {"1", "true", "yes", "on"},
            spool=_spool(os.environ.get("ALMANAC_VAR")),
        )

    def is_upload(self, method: str, path: str) -> bool:
        """Whether a large file may come there."""
        return method in UPLOAD_METHODS and self.upload_paths.search(path) is not None

    def cap(self, method: str, path: str) -> int:
        """The largest body for a path."""
        return self.upload_bytes if self.is_upload(method, path) else self.body_bytes


def _number(variables: os._Environ[str], name: str, default: int) -> int:
    text = variables.get(name) or str(default)
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number, not {text!r}")
    return int(text)


def _spool(state: str | None) -> str | None:
    """Beside the files that uploads become: ``/tmp`` is the machine's memory on many systems."""
    if not state:
        return None
    folder = os.path.join(state, "spool")
    os.makedirs(folder, exist_ok=True)
    return folder


class Refused(Exception):
    """A request that is answered without Django."""

    def __init__(self, status: int, detail: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


async def read_body(
    protocol: HTTPProtocol, declared: int | None, cap: int, limits: Limits
) -> tuple[IO[bytes], int]:
    """The whole body and its length; raises Refused when it is too large, too slow, or not whole."""
    if declared == 0:
        return io.BytesIO(), 0
    if declared is not None and declared > cap:
        raise _too_large(cap)
    spool = tempfile.SpooledTemporaryFile(max_size=limits.memory_bytes, dir=limits.spool)  # noqa: SIM115 - the caller closes it
    try:
        length = await _fill(spool, protocol, limits, cap)
        if declared is not None and length != declared:
            raise _broken_off(length)
        spool.seek(0)
    except OSError as error:
        spool.close()
        log.exception("a body could not be kept")
        raise Refused(507, "The server's disk took no more of the body. Nothing of it was kept.") from error
    except BaseException:
        spool.close()
        raise
    return spool, length


async def _fill(spool: IO[bytes], protocol: HTTPProtocol, limits: Limits, cap: int) -> int:
    length, began = 0, time.monotonic()
    pieces, ended = protocol.__aiter__(), False
    while True:
        left = limits.body_seconds + length / limits.bytes_per_second - (time.monotonic() - began)
        try:
            async with asyncio.timeout(min(left, limits.silence_seconds)):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return length
        except TimeoutError as error:
            raise Refused(
                408, f"Only {length} bytes of the body came in time. Send it without pauses."
            ) from error
        # granian gives an empty piece at the end, and one more where the connection or the encoding broke; a trailer,
        # which hardly anybody sends, looks the same.
        if ended:
            raise _broken_off(length)
        ended = not piece
        length += len(piece)
        if length > cap:
            raise _too_large(cap)
        if length > limits.memory_bytes:
            await asyncio.to_thread(spool.write, piece)  # a slow disk must not stop the loop
        else:
            spool.write(piece)


async def discard(protocol: HTTPProtocol, most_bytes: int, seconds: float) -> None:
    """After a refusal: let the client come to read it. A connection that closes on what is still being sent is reset,
    and a reset may overtake the answer."""
    came = 0
    with contextlib.suppress(TimeoutError, ProtocolClosed, ProtocolError):
        async with asyncio.timeout(seconds):
            async for piece in protocol:
                came += len(piece)
                if came > most_bytes:
                    await asyncio.sleep(
                        seconds
                    )  # to the timeout: the client cannot send, so it looks for an answer


def declared_length(scope: Scope) -> int | None:
    """Content-Length; 0 without any body; None when the body says its length only by ending."""
    text = scope.headers.get("content-length")
    if text is None:
        chunked = scope.headers.get("transfer-encoding") is not None
        return None if chunked or scope.http_version.startswith("2") else 0
    if not (text.isascii() and text.isdigit()):
        raise Refused(400, "Content-Length is not a number.")
    return int(text)


def _broken_off(length: int) -> Refused:
    return Refused(400, f"The body broke off after {length} bytes. Nothing of it was kept: send it again.")


def _too_large(cap: int) -> Refused:
    return Refused(413, f"At most {cap:,} bytes are taken here. Send less, or in parts.")


def make_environ(scope: Scope, body: IO[bytes], length: int, limits: Limits) -> Environ:
    """PEP 3333's environment of a request."""
    headers = _joined(scope, limits)
    scheme = headers.get("x-forwarded-proto", scope.scheme)
    host = headers.get("host") or scope.authority or scope.server
    name, port = _split_host(host, "443" if scheme == "https" else "80")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _latin1(scope.path),
        "QUERY_STRING": scope.query_string or "",
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": headers.get("x-forwarded-for", "").split(",")[-1].strip() or _address(scope.client),
        "CONTENT_LENGTH": str(length),
        "HTTP_HOST": host,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme if scheme in {"http", "https"} else scope.scheme,
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if "content-type" in headers:
        environ["CONTENT_TYPE"] = _latin1(headers["content-type"])
    for key, value in headers.items():
        if key not in {"content-type", "content-length", "host"}:
            environ["HTTP_" + key.upper().replace("-", "_")] = _latin1(value)
    return environ


def _joined(scope: Scope, limits: Limits) -> dict[str, str]:
    """Headers by lower-case name, repeated ones joined.

    Names with an underscore are dropped: in the environment they would look like those with a hyphen. What a
    proxy says about the client is dropped unless there is a proxy that we trust.
    """
    joined: dict[str, str] = {}
    for name, value in scope.headers.items():
        if "_" in name or name in HOP_BY_HOP or (name in FORWARDED and not limits.trust_proxy):
            continue
        glue = "; " if name == "cookie" else ","
        joined[name] = f"{joined[name]}{glue}{value}" if name in joined else value
    return joined


def _latin1(text: str) -> str:
    """WSGI's strings carry bytes: each character stands for one."""
    return text.encode("utf-8", "replace").decode("latin-1")


def _split_host(host: str, default_port: str) -> tuple[str, str]:
    name, separator, port = host.rpartition(":")
    if separator and port.isdecimal():
        return name, port
    return host, default_port


def _address(client: str) -> str:
    return client.rpartition(":")[0].strip("[]")
