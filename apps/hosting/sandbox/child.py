"""The limited child: ``python -m apps.hosting.sandbox.child FD``, which answers one request after the other until its parent
hangs up.

A request names what to do (``inspect``, ``predict``) and the file: ``path``, ``sha256``, ``signature``. An answer is
``{"ok": …}`` or ``{"fault": {"code", "detail"}}``. What native code does beyond that ends this process alone.
"""

from __future__ import annotations

import hashlib
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from apps.hosting.sandbox import frames, limits

MOST_LOADED: Final = 3


class Loaded:
    """The models that were asked last, by hash and signature."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def model(self, request: dict[str, Any]) -> Any:
        """The model of the request; raises ``Fault``."""
        from apps.hosting.sandbox import loading

        name = (request["sha256"], repr(request["signature"]))
        if name not in self._models:
            while len(self._models) >= MOST_LOADED:  # before the next one takes its room
                self._models.popitem(last=False)
            self._models[name] = loading.load(read(request), request["signature"])
        self._models.move_to_end(name)
        return self._models[name]


def read(request: dict[str, Any]) -> bytes:
    """The file's bytes, which are what its hash says; these bytes are loaded, not the file once more."""
    from apps.hosting.sandbox.faults import Fault

    data = Path(request["path"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != request["sha256"]:
        raise Fault("file_changed", "The stored file is not the one that was registered.")
    return data


def inspect(loaded: Loaded, request: dict[str, Any]) -> dict[str, Any]:
    """What stands in the file, and that it fits the signature; nothing is computed yet."""
    described: dict[str, Any] = loaded.model(request).describe()
    return described


def predict(loaded: Loaded, request: dict[str, Any]) -> dict[str, Any]:
    """``predictions`` of ``rows``."""
    from apps.hosting.sandbox import answering

    return {"predictions": answering.answer(loaded.model(request), request["signature"], request["rows"])}


OPERATIONS: Final[dict[str, Callable[[Loaded, dict[str, Any]], dict[str, Any]]]] = {
    "inspect": inspect,
    "predict": predict,
}


def answer(loaded: Loaded, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request, faults included."""
    from apps.hosting.sandbox.faults import Fault

    try:
        return {"ok": OPERATIONS[request["op"]](loaded, request)}
    except Fault as fault:
        return {"fault": {"code": fault.code, "detail": fault.detail}}
    except MemoryError:
        return {
            "fault": {"code": "too_heavy", "detail": "The model needs more memory than the 1 GB it may use."}
        }


def main(arguments: list[str]) -> None:
    """Apply the limits, say so, and answer until the parent hangs up."""
    limits.bind()
    with socket.socket(fileno=int(arguments[0])) as parent:
        frames.send(parent, {"ready": True})
        loaded = Loaded()
        while True:
            try:
                request = frames.receive(parent)
            except frames.Ended:
                return
            frames.send(parent, answer(loaded, request))


if __name__ == "__main__":
    main(sys.argv[1:])
