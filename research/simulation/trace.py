"""A readable trace of a seed; costs nothing unless it is enabled."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Sequence

from domain.events import Event
from domain.facts import Alerted, EquitySampled, Fact
from domain.order import Intent
from research.simulation.plan import BEGIN_NS

KEPT_LINES = 400


class Trace:
    """The last lines of what happened, as text."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def say(self, now_ns: int, text: str) -> None:
        """One line."""
        if self.enabled:
            self.lines.append(f"{(now_ns - BEGIN_NS) / 1e9:9.3f} {text}")

    def event(self, now_ns: int, seq: int, event: Event) -> None:
        """An event goes in."""
        if self.enabled:
            self.say(now_ns, f"#{seq} {event}")

    def intents(self, intents: Sequence[Intent]) -> None:
        """Intents go out."""
        if self.enabled:
            self.lines.extend(f"{'':9}   -> {intent}" for intent in intents)

    def facts(self, facts: Sequence[Fact]) -> None:
        """Facts come out."""
        if self.enabled:
            self.lines.extend(f"{'':9}      {fact}" for fact in facts if not isinstance(fact, EquitySampled))

    def error(self, error: BaseException) -> None:
        """An exception and where it came from."""
        if self.enabled:
            self.lines.extend(line.rstrip() for line in traceback.format_exception(error))

    def alerts(self, facts: Sequence[Fact]) -> list[Alerted]:
        """The alerts among facts."""
        return [fact for fact in facts if isinstance(fact, Alerted)]
