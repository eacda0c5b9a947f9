"""`DeskSource`: the service as the gateway sees it, in the engine's own process.

Views are read from the desk by the table `VIEWS`; verbs and lines go to the control room through functions that
`main.py` injects, as this room does not know that one.

    source = DeskSource(desk, run=remote.run, say=remote.say)
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.commands import Actor
from domain.facts import Fact
from domain.instrument import Instrument
from domain.views import PersonView
from engine.desk import Desk
from gateway.source import Answer, Frame, NotKnown
from gateway.views import VIEWS

Run: TypeAlias = Callable[[Actor, str, Mapping[str, str], str], Awaitable[Answer]]
"""Carries out a verb: who, its name, named arguments, request id."""
Say: TypeAlias = Callable[[Actor, str, str], Awaitable[Answer]]
"""Carries out a typed line: who, the line, request id."""
Reader: TypeAlias = Callable[[Mapping[str, str]], object | Awaitable[object]]

SCALED: Final = {
    "price": "price_decimals",
    "trigger": "price_decimals",
    "qty": "qty_decimals",
    "filled": "qty_decimals",
}
KEPT_FACTS: Final = 2_000
"""Facts that may wait for the reader of news; what is lost is told as a gap."""
NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Pushed(Struct, frozen=True):
    """A view that the feed carries by itself: with which arguments, and how often it is looked at."""

    name: str
    every_s: float = 0.5
    arguments: Mapping[str, str] = NONE


PUSHED: Final = (
    Pushed("status"),
    Pushed("positions"),
    Pushed("orders"),
    Pushed("strategies"),
    Pushed("pnl"),
    Pushed("balances"),
    Pushed("pending"),
    Pushed("venues"),
    Pushed("breakers"),
    Pushed("incidents"),
    Pushed("trades", arguments=MappingProxyType({"limit": "50"})),
    Pushed("risk", 5.0),
    Pushed("stress", 5.0),
)
REFRESH_S: Final = min(one.every_s for one in PUSHED)


def fact_json(fact: Fact, instrument: Instrument | None) -> bytes:
    """A fact as JSON; what the core counts in an instrument's scale becomes a decimal string."""
    if instrument is None:
        return msgspec.json.encode(fact)
    said: dict[str, Any] = msgspec.to_builtins(fact)
    for name, scale in SCALED.items():
        if name in said:
            said[name] = f"{Decimal(said[name]).scaleb(-getattr(instrument, scale)):f}"
    return msgspec.json.encode(said)


def _essence(name: str, value: object) -> object:
    """What has to differ for a view to be pushed again: an order does not change by growing older."""
    return [replace(order, age_s=0.0) for order in value] if name == "orders" and isinstance(value, list) else value


class DeskSource:
    """A `Source` over a desk. `others` are views of rooms that this one does not know."""

    def __init__(self, desk: Desk, run: Run, say: Say, others: Mapping[str, Reader] = MappingProxyType({})) -> None:
        self._desk = desk
        self._run = run
        self._say = say
        self._others = others

    async def view(self, name: str, arguments: Mapping[str, str]) -> bytes:
        """A read model as JSON. Raises `NotKnown`, `BadArgument`."""
        return msgspec.json.encode(await self._read(name, arguments))

    async def _read(self, name: str, arguments: Mapping[str, str]) -> object:
        if (other := self._others.get(name)) is not None:
            value = other(arguments)
        elif (reader := VIEWS.get(name)) is not None:
            value = reader(self._desk, arguments)
        else:
            raise NotKnown(f"There is no view {name!r}")
        return await value if inspect.isawaitable(value) else value

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out a verb of the table. Raises `NotKnown`, `BadArgument`."""
        return await self._run(actor, verb, arguments, request_id)

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a typed line."""
        return await self._say(actor, line, request_id)

    def persons(self) -> list[PersonView]:
        """Who may act, with roles."""
        return self._desk.persons()

    async def watch(self, topics: Collection[str]) -> None:
        """Carry these market topics in the news."""

    @contextlib.asynccontextmanager
    async def news(self) -> AsyncGenerator[AsyncIterator[Frame]]:
        """Every pushed view once, then what changes; a fact at once, views in their own rhythm."""
        async with (
            self._desk.facts(KEPT_FACTS) as facts,
            contextlib.aclosing(self._news(facts, lambda: facts.missed)) as frames,
        ):
            yield frames

    async def _news(self, facts: AsyncIterator[Fact], lost: Callable[[], int]) -> AsyncGenerator[Frame]:
        told: dict[str, object] = {}
        missed = 0
        loop = asyncio.get_running_loop()
        due = dict.fromkeys((one.name for one in PUSHED), loop.time())
        while True:
            for one in PUSHED:
                if due[one.name] <= loop.time():
                    due[one.name] = loop.time() + one.every_s
                    frame = await self._changed(one, told)
                    if frame is not None:
                        yield frame
                    await asyncio.sleep(0)  # the engine's turn: a refresh is never one long pause
            next_s = min(due.values())
            async for fact in _until(facts, next_s):
                if lost() != missed:
                    missed = lost()
                    yield Frame(kind="gap", name="", data=b"null", seq=fact.seq)
                contract = self._desk.contract(getattr(fact, "instrument", ""))
                tag = str(fact.__struct_config__.tag)
                yield Frame(kind="fact", name=tag, data=fact_json(fact, contract), seq=fact.seq)

    async def _changed(self, one: Pushed, told: dict[str, object]) -> Frame | None:
        seq = self._desk.progress[0]
        value = await self._read(one.name, one.arguments)
        essence = _essence(one.name, value)
        if one.name in told and told[one.name] == essence:
            return None
        told[one.name] = essence
        return Frame(kind="view", name=one.name, data=msgspec.json.encode(value), seq=seq)


async def _until(facts: AsyncIterator[Fact], time_s: float) -> AsyncGenerator[Fact]:
    """Facts as they come, until the loop's clock says `time_s`."""
    while True:
        try:
            async with asyncio.timeout_at(time_s):
                fact = await anext(facts)
        except TimeoutError:
            return
        yield fact
        if asyncio.get_running_loop().time() >= time_s:
            return
