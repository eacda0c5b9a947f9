"""`HotSource`: a source whose most wanted views come from the hub, so that a thousand readers cost the engine nothing.

A pushed view that the hub heard within half a second is answered from there. Few readers make no news flow: they ask
the engine itself. Who has just changed something through this gateway reads nothing that is older than the change.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from domain.commands import Actor
from domain.views import PersonView
from gateway.hub import Hub
from gateway.news import PUSHED
from gateway.source import Answer, Frame, Source

MANY_A_SECOND: Final = 10.0
"""Readings of pushed views; with more, news are read as for a client."""
HOT: Final = frozenset(one.name for one in PUSHED if not one.arguments) - {"health", "alerts"}
"""`risk` and `stress` are then up to five seconds old: they cost much. How the service is, is always asked."""


class HotSource:
    """A `Source` in front of another one."""

    def __init__(self, source: Source, hub: Hub, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._hub = hub
        self._clock_s = clock_s
        self._rate = 0.0
        self._asked_s = clock_s()

    async def view(self, name: str, arguments: Mapping[str, str]) -> bytes:
        """A read model as JSON. Raises `NotKnown`, `BadArgument`."""
        if name in HOT and not arguments:
            if self._many():
                self._hub.stay_awake()
            if (known := self._hub.latest(name)) is not None:
                return known
        return await self._source.view(name, arguments)

    def _many(self) -> bool:
        """Count a reading; true when there are many a second."""
        now_s = self._clock_s()
        self._rate = self._rate * max(0.0, 1.0 - (now_s - self._asked_s)) + 1.0
        self._asked_s = now_s
        return self._rate > MANY_A_SECOND

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out a verb. Raises `NotKnown`, `BadArgument`."""
        try:
            return await self._source.run(actor, verb, arguments, request_id)
        finally:
            self._hub.has_changed()

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a typed line."""
        try:
            return await self._source.say(actor, line, request_id)
        finally:
            self._hub.has_changed()

    def persons(self) -> Sequence[PersonView]:
        """Who may act."""
        return self._source.persons()

    def news(self) -> AbstractAsyncContextManager[AsyncIterator[Frame]]:
        """Everything that changes."""
        return self._source.news()

    async def watch(self, topics: Collection[str]) -> None:
        """The market topics that the news carry."""
        await self._source.watch(topics)
