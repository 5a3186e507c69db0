"""A small WSGI application behind the real entry, with short limits; granian runs it in the tests."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from config.rsgi import Entry
from config.rsgi_request import Environ, Limits

LIMITS = Limits(
    body_bytes=100_000,
    upload_bytes=3_000_000,
    upload_paths=re.compile(r"/upload$"),
    silence_seconds=0.6,
    body_seconds=1.2,
    memory_bytes=50_000,
    threads=2,
    waiting=2,
    spool=os.environ.get("TINY_SPOOL"),
)
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Counted:
    """An iterable of chunks that notes that it was closed."""

    closed = 0

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        Counted.closed += 1


class Asked:
    """The lengths of the bodies that were asked about."""

    lengths: list[int | None] = []


class Download:
    """What Django's FileResponse looks like to a server."""

    streaming = True

    def __init__(self, path: str) -> None:
        self.file_to_stream = Path(path).open("rb")  # noqa: SIM115 - closed below

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("the server sends the file by itself")

    def close(self) -> None:
        self.file_to_stream.close()


def application(environ: Environ, start: StartResponse) -> Iterable[bytes]:
    return (_admit if "almanac.admission" in environ else _serve)(environ, start)


def _serve(environ: Environ, start: StartResponse) -> Iterable[bytes]:
    page = environ["PATH_INFO"].rsplit("/", 1)[-1]
    plain = [
        ("Content-Type", "text/plain"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Connection", "close"),
    ]
    if page == "fail":
        raise RuntimeError("on purpose")
    if page == "sleep":
        time.sleep(1)
    if page == "nothing":
        start("204 No Content", [])
        return []
    if page == "stream":
        start("200 OK", plain)
        return Counted(_slowly())
    if page in {"closed", "asked"}:
        start("200 OK", plain)
        return [json.dumps(Counted.closed if page == "closed" else Asked.lengths).encode()]
    if page == "file":
        start("200 OK", [("Content-Type", "text/plain")])
        return Download(__file__)
    return _echo(environ, start, plain)


def _admit(environ: Environ, start: StartResponse) -> Iterable[bytes]:
    """``?full`` has no room, ``?small`` takes less than the server would."""
    Asked.lengths.append(environ["almanac.admission"])
    if environ["QUERY_STRING"] == "full":
        start("402 Payment Required", [("Content-Type", "text/plain")])
        return [b"no room"]
    if environ["QUERY_STRING"] == "small":
        environ["almanac.limit"] = 60_000
    start("204 No Content", [])
    return []


def _slowly() -> Iterator[bytes]:
    for number in range(20):
        yield f"{number}\n".encode()
        time.sleep(0.05)


def _echo(environ: Environ, start: StartResponse, headers: list[tuple[str, str]]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    texts = {name: value for name, value in environ.items() if isinstance(value, str)}
    kind = type(environ["wsgi.input"]).__name__
    content = json.dumps(
        {"environ": texts, "length": len(body), "start": body[:20].decode(), "kind": kind}
    ).encode()
    start("200 OK", [*headers, ("Content-Length", str(len(content)))])
    return [content]


app = Entry(lambda: application, LIMITS)
