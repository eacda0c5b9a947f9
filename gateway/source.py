"""`Source`: what the gateway knows of the service, and the one way in which it asks for anything.

    browser ─┐                                    ┌─ DeskSource   in the engine's process
    token   ─┼─▶ guard ─▶ routes, feed ─▶ Source ─┤
    program ─┘                                    └─ LinkSource ──Unix socket──▶ DeskSource   in a process of its own

Everything that crosses is bytes of JSON made once, by whoever has the objects: no view is decoded and encoded again on
its way to a browser. A source decides nothing about who may ask; the guard has done that, and the engine's own rules
judge every verb again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from domain.answer import Answer as Answer  # noqa: PLC0414 - what a source answers is found beside it
from domain.answer import BadArgument as BadArgument  # noqa: PLC0414
from domain.answer import NotKnown as NotKnown  # noqa: PLC0414
from domain.answer import NotNow as NotNow  # noqa: PLC0414
from domain.commands import Actor
from domain.errors import MoonDevError
from domain.views import PersonView


class SourceLost(MoonDevError):
    """The engine does not answer now. Whether a verb that was under way was carried out is not known."""


class Frame(Struct, frozen=True, kw_only=True):
    """One piece of news for the live feed. `name` is the view's for `view`, the fact's kind for `fact`."""

    kind: str
    """What it is:

    view     a view that changed, whole
    whole    every pushed view has been told once
    fact     something that happened
    market   what a watched topic shows now
    gap      news was lost: what is shown is read anew
    """
    name: str
    data: bytes
    """JSON."""
    seq: int = 0
    """The engine's newest event when it was made."""


class Source(Protocol):
    """The service as the gateway sees it. All raise `SourceLost` when the engine does not answer."""

    async def view(self, name: str, arguments: Mapping[str, str]) -> bytes:
        """A read model as JSON. Raises `NotKnown` for its name, `BadArgument` for what it was asked with."""
        ...

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out one verb of the table with named arguments; the same `request_id` is carried out once.

        Raises `NotKnown` and `BadArgument`.
        """
        ...

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a line as typed at a console, with its aliases and "did you mean"."""
        ...

    def persons(self) -> Sequence[PersonView]:
        """Who may act, with roles, as last heard. Raises `SourceLost` when nothing was heard yet."""
        ...

    def news(self) -> AbstractAsyncContextManager[AsyncIterator[Frame]]:
        """First every pushed view once, then everything that changes: one reader, whose hub hands it to all clients.

        Nothing is computed for it while nobody reads. The iterator raises `SourceLost` when the engine goes away.
        """
        ...

    async def watch(self, topics: Collection[str]) -> None:
        """From now on the news carry these topics, `market:INSTRUMENT`, and no others."""
        ...
