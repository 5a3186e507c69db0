"""The program itself on a port of 127.0.0.1, for what has to reach it over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application
from django.db import connection


class Threads(ThreadingMixIn, WSGIServer):
    """A thread for each request, as browsers open more connections than one."""

    daemon_threads = False


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serving(port: int) -> Iterator[None]:
    """Serve until the block ends; needs committed data, as every request has a connection of its own."""
    program = get_wsgi_application()

    def application(environ: Any, start_response: Any) -> Any:
        answer = program(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()
            connection.close()

    server = make_server("127.0.0.1", port, application, Threads, Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
