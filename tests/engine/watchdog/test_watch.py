"""When a heart has stopped, who acts, how often, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from domain.errors import MoonDevError
from engine.watchdog import watch
from engine.watchdog.folder import Folder
from engine.watchdog.watch import Options, Outcome, State, Watchdog
from tests.engine.watchdog.bedside import CLOCK, beating, books, only, ward
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

DEADLINE_S = 10.0


class Watch:
    """A watchdog whose own clock is in the test's hands."""

    def __init__(self, data: Path, server: ExchangeServer | None = None, *, flatten: bool = False) -> None:
        self.now_s = 1_000.0
        self.said: list[str] = []
        self.folder = Folder(data)

        def patients(guarded):
            assert server is not None
            return only(server, guarded)

        options = Options(deadline_s=DEADLINE_S, flatten=flatten)
        self.dog = Watchdog(self.folder, CLOCK, patients, options, self.said.append, lambda: self.now_s)

    def look_after(self, seconds: float) -> State:
        """How the engine is, so many seconds after the last look."""
        self.now_s += seconds
        return self.dog.look()


def test_before_the_first_run_there_is_nothing_to_watch(tmp_path: Path) -> None:
    assert Watch(tmp_path).look_after(100) is State.NONE


def test_a_heart_that_stands_still_for_the_deadline_is_dead(tmp_path: Path) -> None:
    beating(tmp_path)
    dog = Watch(tmp_path)
    assert dog.look_after(100) is State.ALIVE, "seen for the first time"
    assert dog.look_after(DEADLINE_S - 1) is State.ALIVE
    assert dog.look_after(2) is State.DEAD


def test_a_slow_engine_that_still_beats_is_left_alone(tmp_path: Path) -> None:
    dog = Watch(tmp_path)
    for number in range(5):
        beating(tmp_path, epoch=number + 1)
        assert dog.look_after(DEADLINE_S - 1) is State.ALIVE


def test_a_clean_stop_is_no_death(tmp_path: Path) -> None:
    beating(tmp_path).end()
    dog = Watch(tmp_path)
    dog.look_after(0)
    assert dog.look_after(1_000) is State.STOPPED


async def test_it_acts_once_for_a_run_and_leaves_a_fence_and_a_report(tmp_path: Path) -> None:
    async with ward() as (server, desk):
        heart = beating(tmp_path)
        dog = Watch(tmp_path, server)
        dog.look_after(0)
        assert dog.look_after(DEADLINE_S + 1) is State.DEAD
        outcome, report = await dog.dog.act()
        assert outcome is Outcome.DONE
        assert report is not None
        assert "2 order(s) cancelled, 1 that protect kept" in report.text
        assert not heart.may_send() or dog.folder.fence() == 3
        assert dog.look_after(1) is State.ENDED
        assert [order.reduce_only for order in (await books(desk)).orders] == [True]


async def test_what_it_places_is_in_its_own_journal_before_it_is_sent(tmp_path: Path) -> None:
    async with ward() as (server, _):
        beating(tmp_path)
        dog = Watch(tmp_path, server, flatten=True)
        dog.look_after(0)
        dog.look_after(DEADLINE_S + 1)
        _, report = await dog.dog.act()
        assert report is not None
        assert report.flattened
        lines = [
            msgspec.json.decode(line) for line in (tmp_path / "watchdog" / "acted.jsonl").read_bytes().splitlines()
        ]
        placed = [line["place"] for line in lines if "place" in line]
        assert placed
        assert len(set(placed)) == len(placed)
        assert all(cid.startswith("a1b2c3-3-4d-") for cid in placed), "of the run that died, at its newest event"
        assert dog.folder.placed(3) == len(placed)


async def test_an_engine_that_came_back_before_the_lock_was_had_is_left_alone(tmp_path: Path) -> None:
    beating(tmp_path)
    dog = Watch(tmp_path)
    dog.look_after(0)
    dog.look_after(DEADLINE_S + 1)
    beating(tmp_path, epoch=4)
    assert (await dog.dog.act())[0] is Outcome.LIVES
    assert dog.folder.fence() == 0


async def test_it_does_not_act_while_a_run_begins(tmp_path: Path) -> None:
    beating(tmp_path)
    dog = Watch(tmp_path)
    dog.look_after(0)
    dog.look_after(DEADLINE_S + 1)
    with dog.folder.lock("acting"):
        assert (await dog.dog.act())[0] is Outcome.AGAIN
    assert dog.folder.fence() == 0


async def test_a_venue_that_is_down_is_tried_again_until_it_answers(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(watch, "RETRY_S", 0.05)
    async with ward() as (server, desk):
        beating(tmp_path)
        dog = Watch(tmp_path, server)
        dog.look_after(0)
        dog.look_after(DEADLINE_S + 1)
        server.faults.statuses = [503] * 1_000
        server.faults.refuse_ws = True
        outcome, report = await dog.dog.act()
        assert outcome is Outcome.AGAIN
        assert report is not None
        assert not report.done
        assert dog.folder.fence() == 3, "the run is over all the same"
        assert dog.look_after(1) is State.DEAD
        server.faults.statuses, server.faults.refuse_ws = [], False
        outcome, report = await dog.dog.act()
        assert outcome is Outcome.DONE
        assert len((await books(desk)).orders) == 1


async def test_there_is_one_watchdog(tmp_path: Path) -> None:
    first, second = Watch(tmp_path), Watch(tmp_path)
    task = asyncio.create_task(first.dog.run())
    await asyncio.sleep(0.05)
    with pytest.raises(MoonDevError, match="another watchdog watches this data folder already"):
        await second.dog.run()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_tells_each_change_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.01)
    beating(tmp_path)
    dog = Watch(tmp_path)
    task = asyncio.create_task(dog.dog.run())
    await until(lambda: len(dog.said) == 1)
    beating(tmp_path, epoch=4).end()
    await until(lambda: len(dog.said) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert dog.said == ["Watchdog: the engine lives.", "Watchdog: the engine has stopped cleanly."]


async def test_what_is_wrong_with_the_settings_is_said_and_tried_again(tmp_path: Path) -> None:
    beating(tmp_path)
    dog = Watch(tmp_path)

    def patients(_):
        raise MoonDevError("the secrets file is not private")

    dog.dog = Watchdog(dog.folder, CLOCK, patients, Options(), dog.said.append, lambda: dog.now_s)
    dog.look_after(0)
    dog.look_after(DEADLINE_S + 1)
    outcome, report = await dog.dog.act()
    assert outcome is Outcome.AGAIN
    assert report is not None
    assert "the secrets file is not private" in report.text


async def test_an_account_that_is_gone_from_the_settings_file_is_no_job_that_is_done(tmp_path: Path) -> None:
    beating(tmp_path)
    dog = Watch(tmp_path)
    dog.dog = Watchdog(dog.folder, CLOCK, lambda _: [], Options(), dog.said.append, lambda: dog.now_s)
    dog.look_after(0)
    dog.look_after(DEADLINE_S + 1)
    outcome, report = await dog.dog.act()
    assert outcome is Outcome.AGAIN
    assert report is not None
    assert "HYPERLIQUID:main: the run traded there, and the settings file does not name it now" in report.text
    (tmp_path / "watchdog" / "guarded").write_bytes(b"{")
    outcome, report = await dog.dog.act()
    assert outcome is Outcome.AGAIN
    assert report is not None
    assert "watchdog/guarded cannot be read" in report.text


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what it waits for is another task
            await asyncio.sleep(0.01)
