"""The venue's limits are kept before it enforces them."""

import asyncio

import pytest

from domain.events import Accepted, Cancelled, Rejected
from domain.order import BUY, OrderKind
from domain.verdict import Reason
from exchanges.shared.gate import Dropped
from exchanges.shared.meters import Headers, Priority
from exchanges.viaccxt.limits import Limits, Rule, Rules
from tests.exchanges.binance.desk import ACCOUNT, trading
from tests.exchanges.desk import WallClock

RULES = Rules(
    weight=(Rule(name="weight", limit=10, window_ns=200_000_000, headers=Headers(used="x-used")),),
    orders=(Rule(name="orders", limit=4, window_ns=200_000_000),),
)


async def test_requests_beyond_the_limit_wait_and_cancels_pass_them():
    limits = Limits("TEST", "first", RULES, WallClock())
    limits.open_account("TEST:a")
    costs = limits.costs("TEST:a", 0, 1)
    gone: list[str] = []

    async def send(name: str, priority: Priority) -> None:
        await limits.enter(priority, costs, name)
        gone.append(name)

    tasks = [asyncio.create_task(send(f"add {n}", Priority.ADD)) for n in range(4)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(send("cancel", Priority.CANCEL)))
    await asyncio.sleep(0.01)
    assert gone == ["add 0", "add 1", "cancel"], "two of four are the cancels' and reductions' own"
    assert [waiting.what for waiting in limits.waiting()] == ["add 2", "add 3"]
    await asyncio.gather(*tasks)
    assert len(gone) == 5


async def test_weight_is_shared_by_everything_on_this_machine_and_the_venue_corrects_it():
    one, two = (Limits("TEST", "second", RULES, WallClock()) for _ in range(2))
    await one.enter(Priority.READ, one.costs("", 3, 0), "ask")
    [budget] = two.budgets()
    assert budget.used == 3
    two.answered(two.costs("", 1, 0), 200, {"x-used": "8"})
    assert one.budgets()[0].used == 8
    one.told("weight", 20)
    assert two.budgets()[0].limit == 20
    other = Limits("TEST", "another address", RULES, WallClock())
    assert other.budgets()[0].used == 0


async def test_what_can_never_go_is_dropped_with_a_reason():
    limits = Limits("TEST", "third", RULES, WallClock())
    with pytest.raises(Dropped) as caught:
        await limits.enter(Priority.ADD, limits.costs("", 100, 0), "too much")
    assert caught.value.reason is Reason.MESSAGE_RATE


async def test_an_order_that_waits_too_long_is_refused_and_a_cancel_still_goes():
    async with trading() as (server, desk):
        first = desk.place(BUY, "49000")
        desk.send(first)
        await desk.hears(Accepted, first.cid)
        limits = desk.venue.limits
        assert limits is not None
        limits.answered(limits.costs(ACCOUNT, 0, 1), 200, {"x-mbx-order-count-10s": "285"})
        late = desk.place(BUY, "49001", kind=OrderKind.LIMIT, valid_until_ns=WallClock().now_ns() + 50_000_000)
        desk.send(late)
        desk.send(desk.cancel(first))
        assert (await desk.hears(Cancelled, first.cid)).filled == 0
        rejected = await desk.hears(Rejected, late.cid)
        assert (rejected.reason, "orders-10s 28" in rejected.text) == (Reason.EXPIRED, True)
        assert [request["path"] for request in server.room.seen] == ["order", "order"]
