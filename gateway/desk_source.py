"""`DeskSource`: the service as the gateway sees it, in the engine's own process.

Views are read by the table `VIEWS`; verbs and lines go to the control room, which `main.py` hands in: this room does
not know that one.

    source = DeskSource(desk, remote)
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from typing import Final

from domain.commands import Actor
from domain.verb_views import Remote
from domain.views import PersonView
from engine.desk import Desk
from gateway.encoding import to_json
from gateway.news import MARKET, News
from gateway.source import Answer, Frame, NotKnown
from gateway.views import VIEWS, Rooms
from gateway.watched import READY, ReadyView

KEPT_FACTS: Final = 2_000
"""Facts that may wait for the reader of news; what is lost is told as a gap."""


class DeskSource:
    """A `Source` over a desk and the control room in front of it."""

    def __init__(self, desk: Desk, remote: Remote, problems: Callable[[], list[str]] = list) -> None:
        """`problems` says why the service is not ready, beyond what the desk knows."""
        self._desk = desk
        self._remote = remote
        self._problems = problems
        self._rooms = Rooms(desk, remote)
        self._topics: tuple[str, ...] = ()

    async def view(self, name: str, arguments: Mapping[str, str]) -> bytes:
        """A read model as JSON. Raises `NotKnown`, `BadArgument`."""
        return to_json(await self._read(name, arguments))

    async def _read(self, name: str, arguments: Mapping[str, str]) -> object:
        if name == READY:
            return self._ready()
        reader = VIEWS.get(name)
        if reader is None:
            raise NotKnown(f"There is no view {name!r}")
        value = reader(self._rooms, arguments)
        return await value if inspect.isawaitable(value) else value

    def _ready(self) -> ReadyView:
        _, reasons = self._desk.ready()
        status = self._desk.status()
        chat = {door.name: door.text for door in status.doors}
        return ReadyView(reasons=[*reasons, *self._problems()], trading=status.trading_state, chat=chat)

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out a verb of the table. Raises `NotKnown`, `BadArgument`."""
        return await self._remote.run(actor, verb, arguments, request_id)

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a typed line."""
        return await self._remote.say(actor, line, request_id)

    def persons(self) -> list[PersonView]:
        """Who may act, with roles."""
        return self._desk.persons()

    async def watch(self, topics: Collection[str]) -> None:
        """Carry these market topics in the news. What is none is left out."""
        self._topics = tuple(topic for topic in topics if self._desk.contract(topic.removeprefix(MARKET)) is not None)
        self._desk.markets.minutes.watch(id(self), [topic.removeprefix(MARKET) for topic in self._topics])

    @contextlib.asynccontextmanager
    async def news(self) -> AsyncGenerator[AsyncIterator[Frame]]:
        """Every pushed view once, then what changes; a fact at once, views in their own rhythm."""
        news = News(self._desk, self._read, lambda: self._topics)
        async with (
            self._desk.facts(KEPT_FACTS) as facts,
            contextlib.aclosing(news.frames(facts, lambda: facts.missed)) as frames,
        ):
            yield frames
