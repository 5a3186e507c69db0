"""Makes .venv and installs the locked packages. Runs before any package exists: standard library only.

`python3 -m deploy.local.bootstrap base|dev`. Does nothing when the lock file has not changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

UV_VERSION = "0.13.9"
OLDEST = (3, 11)
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(REPOSITORY, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".almanac.json")


class Problem(Exception):
    """One line: what is wrong and what to do."""


def main(which: str) -> None:
    """Install the lock `base` or `dev` unless that is done; who has `dev`, which holds `base`, keeps it."""
    installed = read_stamp()
    which = "dev" if installed.get("lock") == "dev" else which
    if is_current(installed, which):
        return
    uv = find_uv()
    print(f"Installing the packages of requirements/{which}.txt into .venv …", flush=True)
    if os.path.exists(STAMP):
        os.remove(STAMP)
    lock = os.path.join(REPOSITORY, "requirements", which + ".txt")
    quiet = [] if sys.stderr.isatty() else ["--quiet"]  # on a terminal uv shows how far it is
    run(uv, ["pip", "sync", *quiet, "--require-hashes", "--python", PYTHON, lock])
    with open(STAMP + ".new", "w") as file:
        json.dump({"lock": which, "sha256": lock_hash(which)}, file)
    os.replace(STAMP + ".new", STAMP)


def read_stamp() -> dict[str, str]:
    """What was installed last; empty when that was not finished, or the environment does not run."""
    try:
        with open(STAMP) as file:
            installed: dict[str, str] = json.load(file)
    except (OSError, ValueError):
        return {}
    return installed if works(PYTHON) else {}


def is_current(installed: dict[str, str], which: str) -> bool:
    """Whether exactly this lock is what is installed."""
    return installed.get("lock") == which and installed.get("sha256") == lock_hash(which)


def lock_hash(which: str) -> str:
    """SHA-256 of a lock file."""
    with open(os.path.join(REPOSITORY, "requirements", which + ".txt"), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def works(python: str) -> bool:
    """Whether that interpreter starts and is new enough."""
    check = f"import sys; sys.exit(sys.version_info < {OLDEST!r})"
    try:
        return (
            subprocess.call([python, "-c", check], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
        )
    except OSError:
        return False


def find_uv() -> list[str]:
    """The command line of uv, with a working .venv: the machine's uv, or one installed into .venv."""
    machine = shutil.which("uv")
    if not works(PYTHON):
        make_environment(machine)
    if machine:
        return [machine]
    own = os.path.join(VENV, "bin", "uv")
    if not os.path.exists(own):
        print("Installing uv into .venv …", flush=True)
        run([PYTHON, "-m", "pip"], ["install", "--quiet", "--disable-pip-version-check", "uv==" + UV_VERSION])
    return [own]


def make_environment(uv: str | None) -> None:
    """A fresh .venv in place of a missing or broken one."""
    print("Making the virtual environment .venv …", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    if uv:
        run([uv], ["venv", "--quiet", "--no-python-downloads", "--python", sys.executable, VENV])
    else:
        run(
            [sys.executable, "-m", "venv"],
            [VENV],
            "On Debian and Ubuntu: apt install python3-venv (or install uv).",
        )


def run(
    program: list[str], arguments: list[str], advice: str = "See the message above; then try again."
) -> None:
    """Run a program that explains its own failures."""
    code = subprocess.call(program + arguments)
    if code != 0:
        name = os.path.basename(program[-1])
        raise Problem(f"`{name} {arguments[0]}` failed with exit code {code}. {advice}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "base")
    except Problem as problem:
        sys.exit(f"almanac: {problem}")
    except OSError as problem:
        sys.exit(f"almanac: cannot make {VENV} ({problem.strerror}). Make the folder writable for you.")
    except KeyboardInterrupt:
        sys.exit(130)
