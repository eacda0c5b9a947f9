"""What an adapter tells the breakers of the engine (`VenueTrouble`): a server's error, a ban, a question unanswered.

What the engine sees by itself (an order without an answer, what was not sent, a stream that ended) is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from domain.account import VenueOperation
from domain.events import VenueEvent, VenueTrouble

BANS = frozenset({403, 418, 429})
"""Statuses of a venue that has sent us away for a while."""
Tell: TypeAlias = Callable[[VenueOperation, str], None]
ORDERS, READS = VenueOperation.ORDERS, VenueOperation.READS


def telling(venue: str, emit: Callable[[VenueEvent], None]) -> Tell:
    """Tells of a venue's troubles as events."""
    return lambda operation, text: emit(VenueTrouble(venue=venue, operation=operation, text=text))


def untold(_operation: VenueOperation, _text: str) -> None:
    """For who asks before there is anybody to tell."""


def judge(tell: Tell, operation: VenueOperation, status: int, body: bytes | str) -> None:
    """Tell of an answer whose status says that the venue is in trouble, or has enough of us."""
    if status >= 500 or status in BANS:
        words = body if isinstance(body, str) else body[:480].decode(errors="replace")
        tell(operation, f"HTTP {status}: {words[:120]}")
