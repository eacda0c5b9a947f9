"""Who may rest an order next, as the chain counts by block."""

import asyncio
import time

from exchanges.dydx.blocks import Blocks
from exchanges.dydx.markets import BlockLimit
from exchanges.dydx.turns import Turns
from tests.exchanges.desk import WallClock

LIMITS = [BlockLimit(1, 2), BlockLimit(100, 20)]
LONG_NS = 60_000_000_000


class Queue:
    """Turns whose blocks come when the test says so; `went` holds who had a turn, by height."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        self.blocks.see(1_000, 1)
        self.turns = Turns(LIMITS, self.blocks, WallClock())
        self.went: list[tuple[int, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def ask(self, name: str, *, reduces: bool = False) -> None:
        async def run() -> None:
            if await self.turns.take(name, name, time.time_ns() + LONG_NS, reduces=reduces):
                self.went.append((self.blocks.height, name))

        self.tasks.append(asyncio.create_task(run()))

    async def block(self) -> None:
        self.blocks.see(self.blocks.height + 1, self.blocks.height)
        self.turns.serve()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_two_a_block_and_twenty_in_a_hundred_blocks_with_a_block_to_spare():
    queue = Queue()
    for number in range(60):
        queue.ask(f"{number}", reduces=True)
    for _ in range(200):
        await queue.block()
    heights = [height for height, _ in queue.went]
    assert [name for _, name in queue.went] == [f"{number}" for number in range(len(heights))]
    assert heights[:6] == [1_001, 1_001, 1_003, 1_003, 1_005, 1_005]
    assert all(sum(1 for at in heights if block - 101 < at <= block) <= 20 for block in range(1_000, 1_210))
    assert len(heights) == 40
    await queue.close()


async def test_what_reduces_goes_before_what_adds_and_finds_a_tenth_kept_for_it():
    queue = Queue()
    for number in range(30):
        queue.ask(f"quote {number}")
    for _ in range(50):
        await queue.block()
    assert len(queue.went) == 18
    queue.ask("stop", reduces=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert queue.went[-1][1] == "stop"
    [first, *_] = queue.turns.waiting()
    assert (first.priority, first.what) == ("add", "quote 18")
    budgets = {budget.name: budget for budget in queue.turns.budgets("main")}
    assert (
        budgets["main resting orders in 100 blocks"].used,
        budgets["main resting orders in 100 blocks"].reserved,
    ) == (19, 2)
    await queue.close()


async def test_who_waits_in_vain_is_told_so_and_holds_up_nobody():
    queue = Queue()
    for number in range(2):
        queue.ask(f"{number}")
    await asyncio.sleep(0)
    assert not await queue.turns.take("late", "late", time.time_ns() + 10_000_000, reduces=False)
    assert queue.turns.waiting() == ()
    await queue.close()
