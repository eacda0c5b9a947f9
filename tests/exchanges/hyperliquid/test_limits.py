"""Hyperliquid's limits are counted before it counts them, and what waits for them can be seen and taken back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from domain.errors import ConfigError
from domain.events import Accepted, AmendRejected, Cancelled, Rejected, SendDropped
from domain.order import ArmDeadMan
from domain.verdict import Reason
from exchanges.hyperliquid.limits import MAX_USERS, Limits, WireRateLimit
from exchanges.shared.meters import Priority
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.desk import ACCOUNT, Trader, config_of, desk_at, trading, venue_at
from tests.exchanges.hyperliquid.exchange_room import AGENT, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

SECOND_NS = 1_000_000_000


@asynccontextmanager
async def spent(left: int, cap: int = 100) -> AsyncIterator[tuple[ExchangeServer, Trader]]:
    """A young account that has but `left` actions."""
    async with ExchangeServer() as server:
        server.room.quota.free_actions = cap
        server.room.quota.used[MASTER] = cap - left
        await server.quote("49990", "50010")
        desk = desk_at(venue_at(server))
        await desk.venue.start(desk.sink)
        try:
            yield server, desk
        finally:
            await desk.venue.aclose()


async def test_the_accounts_allowance_is_read_at_the_start():
    async with spent(left=40) as (_, desk):
        assert desk.venue.limits.left(ACCOUNT) == 30, "a tenth of it is kept for reductions"
        [_, _, allowance] = desk.venue.view().budgets
        assert (allowance.name, allowance.used, allowance.limit) == (f"{ACCOUNT} actions", 60, 100)


async def test_what_is_left_is_told_at_the_start_and_at_each_step_and_again_when_trading_has_earned_more():
    async with spent(left=40) as (server, desk):
        places = [desk.place(1, "49000") for _ in range(8)]
        for place in places:
            desk.send(place)
            await desk.hears(Accepted, place.cid)
        assert [(told.account, told.left, told.full, told.step) for told in desk.budgets] == [
            (ACCOUNT, 30, 90, 1),
            (ACCOUNT, 22, 90, 2),
        ]
        server.room.quota.traded = Decimal(50_000)
        desk.venue._look.set()
        await desk.until(lambda: len(desk.budgets) == 3)
        assert (desk.budgets[-1].step, desk.budgets[-1].full) == (0, 10_000), "plenty, however much it has spent"


async def test_a_batch_counts_as_many_actions_as_it_has_parts():
    async with spent(left=40) as (server, desk):
        places = [desk.place(1, "49000") for _ in range(5)]
        desk.send(*places)
        await desk.hears(Accepted, places[-1].cid)
        assert desk.venue.limits.left(ACCOUNT) == 25
        assert server.room.quota.used[MASTER] == 65
        assert len(server.room.seen) == 1


async def test_who_has_spent_his_actions_still_cancels_and_other_orders_wait_where_it_is_seen():
    async with spent(left=11) as (server, desk):
        first, second, third = (desk.place(1, "49000") for _ in range(3))
        desk.send(first)
        desk.send(second)
        desk.send(third)
        await desk.hears(Accepted, second.cid)
        [waiting] = desk.venue.view().waiting
        assert (waiting.priority, waiting.what) == ("add", "place BTC-USDC-PERP.HYPERLIQUID")
        assert waiting.left_ns > 20 * SECOND_NS
        desk.send(desk.cancel(first))
        await desk.hears(Cancelled, first.cid)
        assert not desk.of(Accepted, third.cid)
        assert len(server.room.recs) == 2


async def test_an_order_that_waits_too_long_was_surely_not_sent():
    async with spent(left=10) as (server, desk):
        desk.send(desk.place(1, "49000"))
        late = desk.place(1, "49000", valid_until_ns=time.time_ns() + SECOND_NS // 5)
        desk.send(late)
        dropped = await desk.hears(SendDropped, late.cid)
        assert dropped.reason is Reason.EXPIRED
        assert dropped.text.startswith("waited 0.")
        assert len(server.room.recs) == 1


async def test_a_cancel_takes_back_the_order_that_it_overtakes():
    """Otherwise the venue would not know the order to cancel, and get it afterwards."""
    async with spent(left=10) as (server, desk):
        other, waits, also = (desk.place(1, "49000") for _ in range(3))
        desk.send(other)
        desk.send(waits)
        desk.send(also)
        await desk.hears(Accepted, other.cid)
        desk.send(desk.cancel(waits))
        assert (await desk.hears(SendDropped, waits.cid)).reason is Reason.WITHDRAWN
        assert len(desk.venue.view().waiting) == 1
        desk.send(desk.cancel(other))
        await desk.hears(Cancelled, other.cid)
        assert [action["type"] for action in server.room.seen] == ["order", "cancelByCloid"]


async def test_a_cancel_takes_back_the_amendment_of_its_order():
    async with spent(left=11) as (server, desk):
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.place(1, "49001"))
        desk.send(desk.amend(place, "49100", "0.02"))
        desk.send(desk.cancel(place))
        await desk.hears(AmendRejected, place.cid)
        await desk.hears(Cancelled, place.cid)
        assert "batchModify" not in {action["type"] for action in server.room.seen}


async def test_beyond_its_allowance_an_account_sends_one_by_one():
    async with spent(left=12) as (server, desk):
        places = [desk.place(1, "49000") for _ in range(5)]
        desk.send(*places)
        await desk.hears(Accepted, places[2].cid)
        assert [len(action["orders"]) for action in server.room.seen] == [1, 1, 1]
        assert len(desk.venue.view().waiting) == 2


async def test_the_venues_refusal_makes_us_read_the_allowance_anew():
    async with trading(watch_every_s=60.0) as (server, desk):
        server.room.quota.free_actions = 5
        server.room.quota.used[MASTER] = 10
        server.room.quota._dripped_s = time.monotonic()
        place = desk.place(1, "49000")
        desk.send(place)
        assert (await desk.hears(Rejected, place.cid)).reason is Reason.MESSAGE_RATE
        async with asyncio.timeout(5):
            while desk.venue.limits.left(ACCOUNT):  # noqa: ASYNC110 - signals nobody
                await asyncio.sleep(0.01)


async def test_questions_wait_for_weight_before_the_venue_refuses_them():
    async with trading(weight_a_minute=200) as (server, desk):
        server.room.quota.weight_a_minute = 200
        for _ in range(3):
            desk.send(desk.snapshot())
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            while not desk.venue.view().waiting:  # noqa: ASYNC110 - signals nobody
                await asyncio.sleep(0.01)
        [waiting] = desk.venue.view().waiting
        assert waiting.priority == "read"
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)


async def test_a_young_account_has_no_dead_mans_switch_and_none_is_sent():
    async with trading(traded="999999") as (server, desk):
        assert not desk.venue.caps.dead_man
        desk.send(ArmDeadMan(account=ACCOUNT, deadline_ns=time.time_ns() + 60 * SECOND_NS))
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert [action["type"] for action in server.room.seen] == ["order"]


async def test_a_dead_mans_switch_that_is_too_soon_is_set_a_little_later():
    async with trading(traded="1000000") as (server, desk):
        desk.send(ArmDeadMan(account=ACCOUNT, deadline_ns=time.time_ns() + SECOND_NS))
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert server.room.seen[0]["time"] > time.time() * 1000 + 4_000


async def test_a_key_that_expires_soon_is_spoken_of_and_an_expired_one_is_refused():
    async with ExchangeServer() as server:
        day_ms = 86_400_000
        now_ms = time.time_ns() // 1_000_000
        server.room.agents.of[MASTER] = {"bot": {"address": AGENT, "validUntil": now_ms + 3 * day_ms}}
        venue = venue_at(server)
        await venue.start(lambda _: None)
        assert "expires in 3.0 days" in venue.view().detail
        await venue.aclose()
        server.room.agents.of[MASTER]["bot"]["validUntil"] = now_ms - 1
        with pytest.raises(ConfigError, match="has expired at Hyperliquid: approve a new one"):
            await venue_at(server).start(lambda _: None)


async def test_a_clock_that_goes_wrong_while_trading_is_spoken_of_until_it_is_right_again():
    async with trading(watch_every_s=0.05) as (server, desk):
        server.room.skew_ns = -60 * SECOND_NS
        async with asyncio.timeout(10):
            while "clock is +" not in desk.venue.view().detail:  # noqa: ASYNC110 - signals nobody
                await asyncio.sleep(0.02)
        server.room.skew_ns = 0
        server.room._last_ns = 0
        async with asyncio.timeout(10):
            while desk.venue.view().detail:  # noqa: ASYNC110 - signals nobody
                await asyncio.sleep(0.02)


async def test_more_accounts_than_the_venue_streams_are_refused():
    async with ExchangeServer() as server:
        limits = Limits(config_of(server), WallClock())
        for number in range(MAX_USERS):
            limits.open_account(f"HYPERLIQUID:{number}")
        limits.open_account("HYPERLIQUID:0")
        with pytest.raises(ConfigError, match="remove HYPERLIQUID:one-more"):
            limits.open_account("HYPERLIQUID:one-more")
        limits.gate.close()


async def test_two_objects_in_one_process_share_the_machines_limit():
    async with ExchangeServer() as server:
        config = config_of(server)
        first, second = Limits(config, WallClock()), Limits(config, WallClock())
        await first.enter_question("userRole")
        assert second.weight.used(time.time_ns()) == 60


def test_what_the_venue_says_of_an_account_counts():
    limits = Limits(config_of(ExchangeServer()), WallClock())
    limits.open_account(ACCOUNT)
    limits.told(ACCOUNT, WireRateLimit(volume=Decimal(2_000_000), used=500, cap=2_010_000))
    allowance = limits.accounts[ACCOUNT]
    assert limits.has_dead_man(ACCOUNT)
    assert allowance.left(Priority.REDUCE) == 2_009_500
    assert allowance.left(Priority.CANCEL) == 2_109_500


async def test_the_accounts_key_has_one_line_of_nonces_that_outlives_the_process(tmp_path):
    async with ExchangeServer() as server:
        await server.quote("49990", "50010")
        file = tmp_path / f"hyperliquid-nonce-{AGENT}"
        for run in range(2):
            desk = desk_at(venue_at(server, folder=tmp_path))
            await desk.venue.start(desk.sink)
            place = desk.place(1, "49000", cid=f"a1b2c3-{run + 1:x}-1-0")
            desk.send(place)
            await desk.hears(Accepted, place.cid)
            assert int(file.read_text()) > max(server.room._nonces[AGENT]), "whatever happens now, it goes on above"
            await desk.venue.aclose()
            assert int(file.read_text()) == max(server.room._nonces[AGENT])
