"""Rule 12: the inbox is never conflated by its length, account events are never dropped, and falling behind is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from domain import events as e
from domain.codec import decode_event
from domain.commands import Actor, Door, Halt
from domain.desired import Desired
from domain.errors import JournalError
from domain.facts import TradingState
from domain.instrument import ZERO
from domain.market import Bar, Bbo, FeedState, FeedStatus, Trade
from domain.order import Liquidity
from domain.settings import SECOND_NS
from domain.strategy import View
from engine.core.loop import BATCH, BATCH_NS, EngineLoop
from tests.engine.core.rig import ACCOUNT, BTC, Rig


class HandClock:
    """A clock that the test turns."""

    def __init__(self, now_ns: int) -> None:
        self.now = now_ns

    def now_ns(self) -> int:
        return self.now


def made(rig: Rig, inbox_limit: int = 50_000) -> tuple[EngineLoop, HandClock]:
    clock = HandClock(rig.now_ns)
    return EngineLoop(rig.kernel, clock, inbox_limit=inbox_limit), clock


@asynccontextmanager
async def running(loop: EngineLoop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError, JournalError):
        await task


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not come to pass within 4 s")


def bbo(n: int = 0) -> Bbo:
    return Bbo(instrument=BTC.id, bid=600_000 + n, bid_qty=1, ask=600_010 + n, ask_qty=1)


def fill(n: int) -> e.Filled:
    return e.Filled(
        account=ACCOUNT,
        instrument=BTC.id,
        cid="stranger",
        fill_id=f"F{n}",
        side=1,
        price=600_000,
        qty=1,
        fee=ZERO,
        liquidity=Liquidity.MAKER,
    )


def recorded(rig: Rig, kind: type) -> list:
    return [event for r in rig.journal.records() if isinstance(event := decode_event(r.payload), kind)]


async def test_events_are_taken_in_the_order_they_came_and_stamped_then() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    for n in range(3):
        clock.now += SECOND_NS
        loop.put(bbo(n))
    async with running(loop):
        await until(lambda: not loop.inbox)
    assert [(b.bid, (b.ts_ns - rig.now_ns) // SECOND_NS) for b in recorded(rig, Bbo)] == [
        (600_000, 1),
        (600_001, 2),
        (600_002, 3),
    ]


async def test_a_full_inbox_drops_only_market_data_says_lag_and_halts() -> None:
    rig = Rig().start()
    loop, _ = made(rig, inbox_limit=100)
    for n in range(150):
        loop.put(bbo(n))
    for n in range(5):
        loop.put(fill(n))
    assert loop.dropped == 50
    async with running(loop):
        await until(lambda: not loop.inbox)
    assert rig.core.state.latched is TradingState.HALTED
    assert len(recorded(rig, e.InboxOverflow)) == 1
    assert [status.state for status in recorded(rig, FeedStatus)] == [FeedState.LAG]
    assert rig.held() == 5
    assert len(recorded(rig, Bbo)) == 100


@pytest.mark.parametrize(
    "event",
    [
        fill(99),
        e.Accepted(cid="x"),
        e.Cancelled(cid="x"),
        e.VenueStatus(venue="PAPER", connected=False),
        e.History(strategy="script"),
        Bar(instrument=BTC.id, interval_ns=60 * SECOND_NS, open_ts_ns=0, open=1, high=1, low=1, close=1, volume=1),
        FeedStatus(venue="PAPER", state=FeedState.DOWN),
    ],
    ids=lambda event: type(event).__name__,
)
async def test_what_is_no_tick_is_never_dropped(event: e.Event) -> None:
    rig = Rig().start()
    loop, _ = made(rig, inbox_limit=10)
    for n in range(10):
        loop.put(bbo(n))
    loop.put(event)
    assert loop.inbox[-1] is event


async def test_falling_behind_is_said_before_it_overflows() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    for n in range(3):
        loop.put(bbo(n))
    clock.now += SECOND_NS
    async with running(loop):
        await until(lambda: not loop.inbox)
    lags = [status for status in recorded(rig, FeedStatus) if status.state is FeedState.LAG]
    assert len(lags) == 1
    assert "behind" in lags[0].detail
    assert rig.core.state.latched is TradingState.ACTIVE


async def test_keeping_up_is_not_called_lag() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    async with running(loop):
        for n in range(20):
            clock.now += SECOND_NS // 10
            loop.put(bbo(n))
            await asyncio.sleep(0.001)
        await until(lambda: not loop.inbox)
    assert recorded(rig, FeedStatus) == []


async def test_a_backlog_is_no_clock_that_went_back() -> None:
    """Timers are served between batches; what waits in the inbox was stamped before and is not older than that."""
    rig = Rig().start()
    loop, clock = made(rig)
    for n in range(BATCH * 3):
        loop.put(bbo(n))
    clock.now += 120 * SECOND_NS
    async with running(loop):
        await until(lambda: not loop.inbox)
        await until(lambda: bool(recorded(rig, e.Tick)))
    assert recorded(rig, e.ClockStepped) == []


async def test_a_clock_that_goes_back_is_held_and_recorded() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    async with running(loop):
        clock.now += 10 * SECOND_NS
        loop.put(bbo())
        await until(lambda: not loop.inbox)
        held = rig.core.state.ts_ns
        clock.now -= 5 * SECOND_NS
        loop.put(bbo(1))
        await until(lambda: not loop.inbox)
    assert rig.core.state.ts_ns == held
    assert [step.back_ns for step in recorded(rig, e.ClockStepped)] == [5 * SECOND_NS]
    assert "clock" in rig.alerts()
    assert [b.ts_ns for b in recorded(rig, Bbo)] == [held, held]


async def test_the_engines_time_never_goes_back_whatever_the_clock_does() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    async with running(loop):
        for jump in (5, -3, 60, -600, 1, 0, -1, 86_400, -86_400, 2):
            clock.now += jump * SECOND_NS
            loop.put(Trade(instrument=BTC.id, price=600_000, qty=1, side=1))
            await until(lambda: not loop.inbox)
    times = [record.ts_ns for record in rig.journal.records()]
    assert times == sorted(times)


async def test_timers_are_served_when_nothing_comes_in() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    async with running(loop):
        clock.now += 61 * SECOND_NS
        loop._awake.set()
        await until(lambda: bool(recorded(rig, e.Tick)))


async def test_a_journal_that_fails_stops_the_engine_and_is_told_once() -> None:
    rig = Rig().start()
    loop, _ = made(rig)
    told: list[Exception] = []
    loop.on_failure(told.append)
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0.01)
    rig.journal.fail(OSError("no space left"))
    with pytest.raises(JournalError, match="no space left"):
        await asyncio.wait_for(task, 2)
    assert len(told) <= 1
    assert loop.failure is not None


async def test_faults_seen_from_outside_are_events_like_all_others() -> None:
    rig = Rig().start()
    loop, _ = made(rig)
    loop.fault("script", "decide took 80 ms", quarantine=False)
    async with running(loop):
        await until(lambda: not loop.has_work)
    assert [fault.problem for fault in recorded(rig, e.StrategyFault)] == ["decide took 80 ms"]


async def test_a_halt_overtakes_what_waits_and_time_does_not_go_back_for_it() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    for n in range(20):
        loop.put(bbo(n))
        clock.now += SECOND_NS
    loop.put(e.CommandReceived(actor=Actor(person="dot", door=Door.TERMINAL), command=Halt(), request_id="h"))
    loop.put(e.CommandReceived(actor=Actor(person="dot", door=Door.TERMINAL), command=Halt(), request_id="i"))
    seen = rig.kernel.seq
    async with running(loop):
        await until(lambda: not loop.has_work)
    commands = recorded(rig, e.CommandReceived)[-2:]
    assert [(command.request_id, command.seq) for command in commands] == [("h", seen + 1), ("i", seen + 2)]
    assert recorded(rig, e.ClockStepped) == []
    assert rig.core.state.trading is TradingState.HALTED


async def test_other_tasks_get_their_turn_between_slow_events() -> None:
    rig = Rig().start()
    loop, _ = made(rig)
    begun = 0

    def slow(_: View) -> Desired:
        nonlocal begun
        begun += 1
        time.sleep(0.02)
        return Desired()

    rig.script.wants = slow
    for n in range(50):
        loop.put(bbo(n))
    async with running(loop):
        for _ in range(3):
            await asyncio.sleep(0)
        assert begun < 10


async def test_commands_that_wait_are_not_older_than_a_timer_that_was_served() -> None:
    rig = Rig().start()
    loop, clock = made(rig)
    halt = e.CommandReceived(actor=Actor(person="dot", door=Door.TERMINAL), command=Halt(), request_id="h")
    again = e.CommandReceived(actor=Actor(person="dot", door=Door.TERMINAL), command=Halt(), request_id="i")
    loop.put(halt)
    loop.put(again)
    rig.core.set_timer("equity", clock.now + SECOND_NS)
    taken = rig.kernel.ingest

    def slowly(event: e.Event) -> None:
        taken(event)
        clock.now += 3 * SECOND_NS
        time.sleep(BATCH_NS / 1e9)

    rig.kernel.ingest = slowly  # type: ignore[method-assign]  # an event that takes long
    async with running(loop):
        await until(lambda: not loop.has_work)
    assert recorded(rig, e.ClockStepped) == []
