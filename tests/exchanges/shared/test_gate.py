"""The budget on a running loop: requests wait in it and go by themselves."""

import asyncio
import time

import pytest

from domain.verdict import Reason
from exchanges.shared.budget import Budget, Wanted
from exchanges.shared.gate import Dropped, Gate
from exchanges.shared.meters import Costs, Priority, Window
from tests.exchanges.desk import WallClock

MS = 1_000_000


def gate_of(limit: int, window_ms: int = 100) -> tuple[Gate, Costs]:
    window = Window("orders", limit, window_ms * MS, reserved=0)
    budget = Budget("BYBIT")
    budget.add(window)
    return Gate(budget, WallClock()), ((window, 1),)


async def test_who_enters_waits_for_room_and_goes_in_order():
    gate, costs = gate_of(2)
    went: list[str] = []

    async def request(name: str, priority: Priority) -> None:
        await gate.enter(priority, costs, name)
        went.append(name)

    names = [("a", Priority.ADD), ("b", Priority.ADD), ("c", Priority.ADD), ("d", Priority.CANCEL)]
    began = time.monotonic()
    await asyncio.gather(*(request(*each) for each in names))
    assert went == ["a", "b", "d", "c"]
    assert time.monotonic() - began >= 0.1


async def test_who_waits_in_vain_is_told_the_reason_and_what_is_full():
    gate, costs = gate_of(1, 60_000)
    await gate.enter(Priority.ADD, costs, "place")
    with pytest.raises(Dropped, match=r"EXPIRED: waited 0\.\d s for BYBIT's limits: orders 1 of 1") as caught:
        await gate.enter(Priority.ADD, costs, "place", time.time_ns() + 20 * MS)
    assert caught.value.reason is Reason.EXPIRED


async def test_who_gives_up_leaves_the_queue():
    gate, costs = gate_of(1, 60_000)
    await gate.enter(Priority.ADD, costs, "place")
    waiting = asyncio.create_task(gate.enter(Priority.READ, costs, "read"))
    await asyncio.sleep(0)
    assert [view.what for view in gate.budget.waiting(time.time_ns())] == ["read"]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert gate.budget.waiting(time.time_ns()) == ()
    gate.close()


async def test_what_the_venue_says_stops_the_next_request():
    gate, costs = gate_of(10)
    gate.answered(costs, 429, {"Retry-After": "60"})
    with pytest.raises(Dropped, match="stopped for"):
        await gate.enter(Priority.CANCEL, costs, "cancel", time.time_ns() + 10 * MS)


async def test_callbacks_are_called_once_and_not_after_a_withdrawal():
    gate, costs = gate_of(1, 50)
    called: list[str] = []

    def wanted(name: str) -> Wanted:
        return Wanted(
            priority=Priority.ADD, costs=costs, what=name, go=lambda: called.append(name), drop=lambda _r, _t: None
        )

    first, second, third = wanted("first"), wanted("second"), wanted("third")
    for each in (first, second, third):
        gate.submit(each)
    assert called == ["first"]
    assert gate.withdraw(second)
    async with asyncio.timeout(5):
        while "third" not in called:  # noqa: ASYNC110 - signals nobody
            await asyncio.sleep(0.01)
    assert called == ["first", "third"]
