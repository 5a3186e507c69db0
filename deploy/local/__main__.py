"""`python -m deploy.local up|down|reset|logs`: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys

from deploy.local.problems import StartProblem


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code; a problem is one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "reset", "logs"))
    parser.add_argument("--force", action="store_true", help="reset without asking")
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen.command, force=chosen.force)
    except StartProblem as problem:
        print(f"almanac: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: str, *, force: bool) -> int:
    from deploy.local import down, layout

    if command == "down":
        return down.down(layout.from_environment())
    if command == "reset":
        return down.reset(layout.from_environment(), force=force)
    if command == "logs":
        return down.show_logs(layout.from_environment())
    from deploy.local import options, up

    return up.up(options.read())


if __name__ == "__main__":
    sys.exit(main())
