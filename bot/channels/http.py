"""What text messages and webhooks share: one careful POST, and what its answer means for a letter.

Redirects are not followed: the address is the configured one, and what is signed or logged in goes nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from msgspec import Struct

from bot.carrier import NotSent, OutcomeUnknown, RefusedForGood, RetryAfter

TIMEOUT_S = 10.0
MOST_BYTES = 64 << 10
LONGEST_WAIT_S = 3600.0
DEFAULT_WAIT_S = 5.0
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
TOO_MANY, UNAVAILABLE = 429, 503


class Answer(Struct, frozen=True):
    """A server's answer: its status, the seconds it asks to wait (0 = none), its id for us, and its first bytes."""

    status: int
    wait_s: float
    id: str
    body: bytes


def open_client(base_url: str = "", auth: tuple[str, str] | None = None) -> httpx.AsyncClient:
    """A client for one server: certificates checked, redirects not followed."""
    return httpx.AsyncClient(base_url=base_url, auth=auth, timeout=TIMEOUT_S, follow_redirects=False)


async def ask(client: httpx.AsyncClient, method: str, url: str, **content: Any) -> Answer:  # noqa: ANN401 - httpx's own
    """Send a request and read the first bytes of its answer.

    Raises `NotSent` where nothing left, `OutcomeUnknown` where it may have arrived; never with the address.
    """
    try:
        async with client.stream(method, url, **content) as response:
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    break
            sent_id = response.headers.get("x-request-id", "")[:80]
            return Answer(response.status_code, wait_of(response.headers), sent_id, body[:MOST_BYTES])
    except NEVER_LEFT as error:
        raise NotSent(type(error).__name__) from None
    except (httpx.HTTPError, OSError) as error:
        raise OutcomeUnknown(type(error).__name__) from None
    except RuntimeError as error:  # the client was closed before the request began
        raise NotSent(type(error).__name__) from None


def wait_of(headers: Mapping[str, str]) -> float:
    """The seconds of a `Retry-After` header, also where it is a date; 0 without one."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return DEFAULT_WAIT_S
    return min(max(seconds, 0.5), LONGEST_WAIT_S) if seconds == seconds else DEFAULT_WAIT_S  # noqa: PLR0124 - a NaN


def outcome(answer: Answer, words: str) -> Exception | None:
    """The outbox's error for an answer; None when the server took it. `words` is what the server said."""
    why = f"{answer.status} {words}".strip()
    if 200 <= answer.status < 300:
        return None
    if answer.status == TOO_MANY or (answer.status == UNAVAILABLE and answer.wait_s):
        return RetryAfter(answer.wait_s or DEFAULT_WAIT_S)
    if answer.status >= 500 or answer.status in {408, 425}:
        return OutcomeUnknown(why)
    if 300 <= answer.status < 400:
        return RefusedForGood(f"{why}: it leads elsewhere, and redirects are not followed")
    return RefusedForGood(why)
