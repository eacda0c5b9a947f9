"""Who can be reached: how the last send or probe to each recipient went."""

from __future__ import annotations

import time

from msgspec import Struct

from bot.carrier import ChannelRefused, NotSent, OutcomeUnknown, RefusedForGood, RetryAfter, channel_of

OURS = (NotSent, OutcomeUnknown, RefusedForGood)
"""Errors whose text may be shown: it is made without secrets."""


class Reach(Struct, frozen=True):
    """How a recipient was reached lately: when it last worked, since when it does not, and why."""

    ok_ns: int = 0
    failing_ns: int = 0
    """0 = it is not failing."""
    why: str = ""
    for_good: bool = False
    """The server said that it will never take it."""
    whole_channel: bool = False


NEW = Reach()


class Reaches:
    """Of everybody that something was sent to since the start."""

    def __init__(self) -> None:
        self._reach: dict[str, Reach] = {}
        self._ok_s: dict[str, float] = {}

    def of(self, recipient: str) -> Reach:
        """How somebody is reached."""
        return self._reach.get(recipient, NEW)

    def all(self) -> dict[str, Reach]:
        """By recipient."""
        return dict(self._reach)

    def ok_s(self, channel: str) -> float:
        """When a channel last took something (monotonic, 0 = never)."""
        return self._ok_s.get(channel, 0.0)

    def note(self, recipient: str, error: Exception | None) -> None:
        """Remember how a send or a probe went; None = well. A server that asks to wait is well."""
        old, now_ns = self.of(recipient), time.time_ns()
        if error is None:
            self._reach[recipient] = Reach(ok_ns=now_ns)
            self._ok_s[channel_of(recipient)] = time.monotonic()
        elif not isinstance(error, RetryAfter):
            self._reach[recipient] = Reach(
                ok_ns=old.ok_ns,
                failing_ns=old.failing_ns or now_ns,
                why=str(error) if isinstance(error, OURS) else type(error).__name__,
                for_good=isinstance(error, RefusedForGood),
                whole_channel=isinstance(error, ChannelRefused),
            )
