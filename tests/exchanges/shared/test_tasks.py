"""Tasks of one owner."""

import asyncio

from exchanges.shared.tasks import Tasks


async def test_a_task_that_fails_says_so_and_the_others_end_with_their_owner(caplog):
    async def fail() -> None:
        raise KeyError("gone")

    tasks = Tasks("the venue")
    waiting = tasks.spawn(asyncio.sleep(60))
    await asyncio.wait([tasks.spawn(fail())])
    assert "a task of the venue has failed" in caplog.text
    await tasks.aclose()
    assert waiting.cancelled()
