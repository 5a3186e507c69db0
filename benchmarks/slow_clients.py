"""Do 80 clients that send one byte a second slow the others? Prints a table and writes a JSON file.

    python benchmarks/slow_clients.py [--url http://127.0.0.1:8000/livez] [--clients 80] [--seconds 10]

Without --url it starts granian with the real entry (`config.rsgi.Entry`, its default limits) around an
application that answers at once. Half of the slow clients drip their headers, half their body; one that is
cut off comes back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from config.rsgi import Entry
from config.rsgi_request import Limits

RESULTS = Path(__file__).resolve().parent / "results"
OTHERS = 4
TARGET = 1.5  # at most this many times slower


def application(_environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


app = Entry(lambda: application, Limits())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="measure a running server instead")
    parser.add_argument("--clients", type=int, default=80)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS / "slow_clients.json")
    options = parser.parse_args()
    with own_server() if options.url is None else contextlib.nullcontext(options.url) as url:
        results = asyncio.run(compare(url, options.clients, options.seconds))
    show(results)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    return 0 if results["ratio_p95"] <= TARGET and results["with"]["failed"] == 0 else 1


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """granian in the configuration of `make up`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--interface", "rsgi", "--port", str(port), "--http", "1", "--no-ws", "--runtime-mode", "st"]
    words += ["--backlog", "2048", "--backpressure", "1024", "--http1-header-read-timeout", "10000"]
    granian = str(Path(sys.executable).with_name("granian"))
    process = subprocess.Popen(
        [granian, *words, "--log-level", "warning", "slow_clients:app"], cwd=Path(__file__).parent
    )
    try:
        wait_until_open(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(15)


def wait_until_open(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise SystemExit("granian did not start")


async def compare(url: str, clients: int, seconds: float) -> dict[str, Any]:
    """Latency of ordinary requests alone, then beside the slow clients, then alone again."""
    await measure(url, 1)
    before = await measure(url, seconds)
    async with slow_clients(url, clients) as sent:
        await asyncio.sleep(2)  # all are connected and dripping
        beside = await measure(url, seconds)
    after = await measure(url, seconds)
    alone = max(before["p95_ms"], after["p95_ms"])
    ratio = round(beside["p95_ms"] / alone, 2)
    return {
        "clients": clients,
        "bytes_dripped": sent[0],
        "before": before,
        "with": beside,
        "after": after,
        "ratio_p95": ratio,
    }


async def measure(url: str, seconds: float) -> dict[str, Any]:
    """A few clients, one request after the other each."""
    end = time.monotonic() + seconds
    taken: list[float] = []
    failed = [0]
    await asyncio.gather(*(ask_until(url, end, taken, failed) for _ in range(OTHERS)))
    cuts = statistics.quantiles(taken, n=100)
    figures = {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98]}
    rounded = {name: round(value * 1000, 3) for name, value in figures.items()}
    return {"requests": len(taken), "failed": failed[0], **rounded}


async def ask_until(url: str, end: float, taken: list[float], failed: list[int]) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    while time.monotonic() < end:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        taken.append(time.perf_counter() - began)
        failed[0] += not head.startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.002)
    writer.close()


@contextlib.asynccontextmanager
async def slow_clients(url: str, number: int) -> AsyncIterator[list[int]]:
    """Clients that drip for the length of the block; yields the count of bytes sent."""
    sent = [0]
    tasks = [asyncio.create_task(drip(url, in_body=bool(index % 2), sent=sent)) for index in range(number)]
    try:
        yield sent
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def drip(url: str, *, in_body: bool, sent: list[int]) -> None:
    """One byte a second, for ever; connects again when it is cut off."""
    parts = urlsplit(url)
    head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(
                    (head + "Content-Length: 100000\r\n\r\n" if in_body else head + "X-Slow: ").encode()
                )
                while not writer.is_closing():
                    writer.write(b"a")
                    await writer.drain()
                    sent[0] += 1
                    await asyncio.sleep(1)
            finally:
                writer.close()
        await asyncio.sleep(0.1)


def show(results: dict[str, Any]) -> None:
    print(f"{results['clients']} clients at one byte a second; {OTHERS} ordinary clients\n")
    print(f"{'':<10}{'requests':>10}{'failed':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}")
    for name in ("before", "with", "after"):
        row = results[name]
        print(
            f"{name:<10}{row['requests']:>10}{row['failed']:>8}{row['p50_ms']:>10}{row['p95_ms']:>10}{row['p99_ms']:>10}"
        )
    print(f"\np95 with / without: {results['ratio_p95']} (at most {TARGET})")


if __name__ == "__main__":
    sys.exit(main())
