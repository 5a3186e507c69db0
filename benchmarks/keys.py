"""What does the check of an API key cost a call? Prints a table, writes a JSON file.

    python benchmarks/keys.py [ALMANAC_JSON] [--calls 4000] [--rounds 7]

ALMANAC_JSON is that of a running stack; without it one is started in a temporary folder. The calls are made inside one
process with the web process's environment, through ``ApiKeyMiddleware`` and past it to the same view in the same scope,
in turn in each round, so that what else the machine does falls on both alike; the figure is CPU of the calling thread.
Then how long a revocation takes until other processes refuse the key.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import running_stack
from running_stack import HERE, REPOSITORY, Stack

BAR_MS = 0.1
PROCESSES = 3
REVOCATIONS = 5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("announcement", nargs="?", type=Path, metavar="ALMANAC_JSON")
    parser.add_argument("--calls", type=int, default=4000, help="each way in each round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with running_stack.open_stack(options.announcement) as stack:
        check = inside(stack, "check", stack.api_key, str(options.calls), str(options.rounds))
        took = [revocation(stack) for _ in range(REVOCATIONS)]
    results = {"conditions": running_stack.conditions(), "check": check, "revocation_seconds": took}
    show(results)
    running_stack.write("keys", results)
    return 0 if check["check_ms"] <= BAR_MS and max(map(max, took)) < 1 else 1


def inside(stack: Stack, *words: str) -> dict[str, Any]:
    """Run `keys_inside.py` with the web process's environment; the JSON that it prints."""
    answer: dict[str, Any] = json.loads(start(stack, *words).communicate()[0].splitlines()[-1])
    return answer


def start(stack: Stack, *words: str) -> subprocess.Popen[str]:
    """`keys_inside.py` in a process of its own."""
    command = [sys.executable, str(HERE / "keys_inside.py"), *words]
    variables = {**os.environ, **stack.environment("web")}
    return subprocess.Popen(command, env=variables, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def revocation(stack: Stack) -> list[float]:
    """Seconds from a revocation's commit until each of some processes, which had the key warm, refuses it."""
    made = inside(stack, "make", stack.tenant)
    callers = [start(stack, "until-refused", made["key"]) for _ in range(PROCESSES)]
    for caller in callers:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "warm\n"
    revoked_at = inside(stack, "revoke", stack.tenant, made["id"])["at"]
    refused = [float(caller.communicate(timeout=30)[0]) for caller in callers]
    return [round(each - revoked_at, 3) for each in refused]


def show(results: dict[str, Any]) -> None:
    check = results["check"]
    print(f"\n{'':34}{'CPU us a call':>14}{'SQL':>6}")
    for name in ("checked", "unchecked", "looked_up"):
        row = check[name]
        print(f"{name:34}{row['cpu_us']:>14.1f}{row['sql']:>6.2f}")
    print(f"\nthe check, warm: {check['check_ms']:.4f} ms (bar {BAR_MS})")
    slowest = max(max(each) for each in results["revocation_seconds"])
    print(f"a revocation takes effect within {slowest:.3f} s in {PROCESSES} processes, {REVOCATIONS} times")
    print(f"measured at {time.strftime('%Y-%m-%d %H:%M')}: {results['conditions']}")


if __name__ == "__main__":
    sys.exit(main())
