"""Many venues as one: who gets what, and what becomes of one that is not there."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

import pytest
from msgspec.structs import replace

from domain.account import Account
from domain.errors import ConfigError, VenueError
from domain.events import (
    Cancelled,
    CancelRejected,
    Event,
    OpenOrder,
    SendDropped,
    SendFailed,
    VenueEvent,
    VenueSnapshot,
    VenueStatus,
)
from domain.facts import BreakerChanged
from domain.market import FeedState, FeedStatus
from domain.order import Amend, Cancel, Intent, OrderKind, Place, RequestSnapshot
from domain.ports import Clock, VenueCaps
from domain.settings import AccountSpec, Settings
from domain.verdict import Reason
from engine import venues
from engine.core.core import Core
from engine.core.state import State
from engine.lockdown import LockDown
from engine.venues import Line, VenueRouter, since_ns
from tests.exchanges.desk import WallClock

BTC = "BTC-USDC-PERP"


class Book:
    """A venue in memory: it notes what it gets and answers snapshots and cancels."""

    caps = VenueCaps()

    def __init__(self, name: str) -> None:
        self.name = name
        self.got: list[Intent] = []
        self.closed = False

    async def start(self, sink: Callable[[VenueEvent], None]) -> None:
        self.sink = sink
        sink(VenueStatus(venue=self.name, connected=True))

    def send(self, intents: Sequence[Intent]) -> None:
        self.got += intents
        for intent in intents:
            if isinstance(intent, RequestSnapshot):
                order = OpenOrder(
                    cid=f"{self.name}-1", instrument=f"{BTC}.{self.name}", side=1, kind=OrderKind.LIMIT, price=1,
                    trigger=0, qty=1, filled=0, reduce_only=False,
                )  # fmt: skip
                self.sink(VenueSnapshot(account=intent.account, cash=Decimal(1), orders=(order,)))
            elif isinstance(intent, Cancel):
                self.sink(Cancelled(cid=intent.cid) if intent.cid != "gone" else CancelRejected(cid=intent.cid))

    def send_from_thread(self, intents: Sequence[Intent]) -> None:
        self.got += intents

    def on_market(self, event) -> None:
        self.seen = [*getattr(self, "seen", []), event]

    def client_ids(self) -> Sequence[str]:
        return ["paper-1"]

    async def aclose(self) -> None:
        self.closed = True


class Learning(Book):
    """A venue that learns at its start that it has a dead man's switch."""

    async def start(self, sink: Callable[[VenueEvent], None]) -> None:
        self.caps = VenueCaps(dead_man=True)
        await super().start(sink)


class World:
    """A router over paper, A and B; `broken` says what opening a venue raises, until it is taken out."""

    def __init__(self, **broken: Exception) -> None:
        self.broken = broken
        self.opened: dict[str, list[Book]] = {"A": [], "B": []}
        self.paper = Book("PAPER")
        self.heard: list[Event] = []
        lines = [Line(name, "testnet", [f"{name}:main"], partial(self.open, name)) for name in self.opened]
        self.router = VenueRouter(WallClock(), [self.paper], lines)

    def open(self, name: str, clock: Clock) -> Book:
        if name in self.broken:
            raise self.broken[name]
        self.opened[name].append(Book(name))
        return self.opened[name][-1]

    def statuses(self, name: str) -> list[tuple[bool, str]]:
        return [(e.connected, e.detail) for e in self.heard if isinstance(e, VenueStatus) and e.venue == name]

    async def __aenter__(self):
        await self.router.start(self.heard.append)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.router.aclose()


def place(venue: str) -> Place:
    account, instrument = f"{venue}:main", f"{BTC}.{venue}"
    return Place(cid=f"{venue}-9", account=account, instrument=instrument, side=1, kind=OrderKind.LIMIT, qty=1, price=1)


def cancel(venue: str, cid: str = "1") -> Cancel:
    return Cancel(cid=cid, account=f"{venue}:main", instrument=f"{BTC}.{venue}")


async def test_each_intent_goes_to_the_venue_of_its_account():
    async with World() as world:
        world.router.send([place("A"), place("B"), place("PAPER"), cancel("A")])
        [a], [b] = world.opened["A"], world.opened["B"]
        assert a.got == [place("A"), cancel("A")]
        assert b.got == [place("B")]
        assert world.paper.got == [place("PAPER")]
    assert a.closed
    assert b.closed
    assert world.paper.closed


@pytest.mark.parametrize("error", [VenueError("no answer"), ConfigError("the key is not its own"), ValueError("bug")])
async def test_a_venue_that_cannot_start_is_told_and_the_others_go_on(error):
    async with World(A=error) as world:
        assert [connected for connected, _ in world.statuses("B")] == [True]
        [(connected, detail)] = world.statuses("A")
        assert not connected
        assert str(error) in detail
        world.router.send([place("A"), cancel("A"), place("B")])
        assert [event.cid for event in world.heard if isinstance(event, SendFailed)] == ["A-9"]
        assert world.opened["B"][0].got == [place("B")]
        views = {view.venue: view for view in world.router.views()}
        assert (views["A"].connected, views["B"].connected) == (False, True)
        assert str(error) in views["A"].detail


async def test_it_is_tried_again_and_then_trades(monkeypatch):
    monkeypatch.setattr(venues, "RETRY_S", 0.01)
    async with World(A=VenueError("no answer")) as world:
        await asyncio.sleep(0.05)
        del world.broken["A"]
        async with asyncio.timeout(10):
            while not world.router.views()[0].connected:  # noqa: ASYNC110 - it says so in a view alone
                await asyncio.sleep(0.01)
        world.router.send([place("A")])
        assert world.opened["A"][0].got == [place("A")]
        assert [connected for connected, _ in world.statuses("A")] == [False, True], "the same reason is told once"


async def test_who_knows_which_orders_is_asked_everywhere():
    async with World(B=VenueError("no answer")) as world:
        assert set(await world.router.client_ids()) == {"paper-1", "A-1"}
        assert any(isinstance(event, VenueSnapshot) for event in world.heard), "the engine hears of it too"


async def test_the_paper_venue_matches_on_its_own_market_alone():
    async with World() as world:
        events = [FeedStatus(venue=venue, state=FeedState.LIVE) for venue in ("A", "PAPER", "B")]
        for event in events:
            world.router.on_market(event)
        assert world.paper.seen == [events[1]]


async def test_several_paper_venues_match_on_their_own_market_and_get_their_own_orders():
    one, two = Book("PAPER"), Book("PAPER2")
    heard: list[Event] = []
    router = VenueRouter(WallClock(), [one, two])
    await router.start(heard.append)
    router.send([place("PAPER2"), place("PAPER"), place("PAPER3")])
    assert (one.got, two.got) == ([place("PAPER")], [place("PAPER2")])
    assert [event.cid for event in heard if isinstance(event, SendFailed)] == ["PAPER3-9"], "there is no such venue"
    events = [FeedStatus(venue=venue, state=FeedState.LIVE) for venue in ("PAPER2", "")]
    for event in events:
        router.on_market(event)
    assert (one.seen, two.seen) == (events[1:], events)
    await router.aclose()
    assert one.closed
    assert two.closed


async def test_a_stuck_loop_is_cancelled_from_a_thread_over_connections_of_its_own():
    async with World() as world:
        cancels = [cancel("A"), cancel("A", "gone"), cancel("PAPER"), cancel("B")]
        await asyncio.to_thread(world.router.send_from_thread, cancels)
        assert [book.got for book in world.opened["A"]] == [[], cancels[:2]]
        assert [book.got for book in world.opened["B"]] == [[], cancels[3:]]
        assert world.paper.got == [cancels[2]]
        assert [book.closed for book in world.opened["A"]] == [False, True]


def test_an_account_is_read_from_a_little_before_it_was_last_known():
    state = State(settings=Settings(accounts=(AccountSpec(id="A:main"), AccountSpec(id="A:new"))))
    state.accounts["A:main"] = Account(id="A:main", venue_ts_ns=100_000_000_000)
    assert since_ns(state, ["A:main", "A:new", "A:not-in-force"]) == {"A:main": 40_000_000_000, "A:new": 0}


async def test_what_a_venue_can_do_is_told_before_it_speaks_and_again_when_it_has_learnt_more():
    heard: list[Event] = []
    line = Line("A", "testnet", ["A:main"], lambda _clock: Learning("A"))
    router = VenueRouter(WallClock(), [], [line])
    await router.start(heard.append)
    told = [(type(event).__name__, getattr(event, "caps", VenueCaps()).dead_man) for event in heard]
    assert told == [("VenueOpened", False), ("VenueOpened", True), ("VenueStatus", False)]
    await router.aclose()


async def test_locked_down_nothing_that_adds_risk_reaches_any_venue_and_what_lowers_it_does() -> None:
    core = Core(State())
    ended: list[str] = []
    lock_down = LockDown(core)
    lock_down.on_begin = lambda: ended.append("sessions")
    async with World() as world:
        lock_down.obey(world.router)
        world.router.send([place("A")])
        core.state.locked = True
        fact = BreakerChanged(
            seq=1, index=0, ts_ns=1, name="security", scope="", state="open", measure=Decimal(1), threshold=Decimal(1),
            until_ns=0, actions=("lock_down",), why="a forged button",
        )  # fmt: skip
        for _ in range(2):
            lock_down.look([fact], world.router)
        assert ended == ["sessions"]
        closing = replace(place("A"), cid="closing", reduce_only=True, adds_risk=False)
        out = Cancel(cid="1", account="PAPER:main", instrument=f"{BTC}.PAPER")
        grows = Amend(cid="2", account="B:main", instrument=f"{BTC}.B", price=1, qty=9)
        world.router.send([place("A"), place("PAPER"), grows, closing, out])
        assert [intent.cid for intent in world.opened["A"][0].got][1:] == ["closing"]
        assert world.paper.got == [out]
        assert world.opened["B"][0].got == []
        dropped = [event.reason for event in world.heard if isinstance(event, SendDropped)]
        assert dropped == [Reason.LOCKED_DOWN, Reason.LOCKED_DOWN]
        core.state.locked = False
        lock_down.look([fact], world.router)
        world.router.send([place("A")])
        assert len(world.opened["A"][0].got) == 3


async def test_a_venue_is_opened_anew_with_another_key_and_the_others_notice_nothing():
    async with World() as world:
        world.router.reopen("A")
        world.router.reopen("nowhere")
        async with asyncio.timeout(10):
            while len(world.opened["A"]) < 2 or not world.router.views()[0].connected:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        assert world.opened["A"][0].closed
        world.router.send([place("A")])
        assert world.opened["A"][1].got == [place("A")]
        assert [connected for connected, _ in world.statuses("A")] == [True, False, True], "it is compared anew"
        assert len(world.opened["B"]) == 1
