"""`python -m deploy.local up|down|reset|logs|backup|restore|manage`: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys

from deploy.local.problems import StartProblem


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code; a problem is one line on standard error."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "reset", "logs", "backup", "restore", "manage"))
    parser.add_argument(
        "--force", action="store_true", help="reset without asking; restore over data, after asking"
    )
    parser.add_argument("--to", default="", help="backup: the folder in which a new one is made")
    parser.add_argument("--from", default="", dest="source", help="restore: the folder of one backup")
    parser.add_argument("--without-secrets", action="store_true", help="backup: leave the secrets out")
    chosen = parser.parse_args(words[:1] if words[:1] == ["manage"] else words)
    try:
        return _run(chosen, words[1:])
    except StartProblem as problem:
        print(f"almanac: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(chosen: argparse.Namespace, words: list[str]) -> int:
    from deploy.local import down, layout

    if chosen.command == "down":
        return down.down(layout.from_environment())
    if chosen.command == "reset":
        return down.reset(layout.from_environment(), force=chosen.force)
    if chosen.command == "logs":
        return down.show_logs(layout.from_environment())
    return _start(chosen, words)


def _start(chosen: argparse.Namespace, words: list[str]) -> int:
    """What needs servers."""
    from deploy.local import backup, options, up

    read = options.read()
    if chosen.command == "manage":
        return backup.manage(read, words)
    if chosen.command == "backup":
        return backup.backup(read, chosen.to, without_secrets=chosen.without_secrets)
    if chosen.command == "restore":
        return backup.restore(read, chosen.source, force=chosen.force)
    return up.up(read)


if __name__ == "__main__":
    sys.exit(main())
