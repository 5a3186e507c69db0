"""Answers that wait: asked again by the server's entry, which holds neither a thread nor a connection meanwhile.

A view that has nothing new yet says so in its answer; ``config.rsgi`` then waits and calls it again with the same request,
until the answer is whole or the time is over. Behind another server the first answer is the answer: clients ask again.
No header of a client's can set ``AGAIN``: a header's name in the environ begins with ``HTTP_``.
"""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

AGAIN: Final = "almanac.again"  # in the environ of a call that repeats one
HOLD: Final = "X-Almanac-Hold"  # seconds for which the answer may still become better
FOLLOW: Final = "X-Almanac-Follow"  # the stream goes on: the Last-Event-ID to ask with
MOST_SECONDS: Final = 60


def is_again(request: HttpRequest) -> bool:
    """Whether this call repeats one that was counted."""
    return AGAIN in request.META


def hold(response: HttpResponseBase, seconds: float) -> None:
    """Let the request wait for a better answer, for so long at most."""
    response[HOLD] = f"{min(seconds, MOST_SECONDS):g}"


def follow(response: HttpResponseBase, last_event_id: str) -> None:
    """Let the stream go on after the event of that id."""
    response[FOLLOW] = last_event_id
