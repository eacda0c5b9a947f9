"""A person's halt where no engine answers: what it does at the venue, and the mark that it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.errors import ConfigError, MoonDevError
from engine.watchdog.folder import Folder, Guarded, Report
from engine.watchdog.halt import stop_trading
from engine.watchdog.rescue import Patient
from engine.watchdog.watch import Options, State, Watchdog
from exchanges.hyperliquid.info import TRIES
from tests.engine.watchdog.bedside import CLOCK, beating, books, only, ward
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer


async def halt(data: Path, server: ExchangeServer | None = None, *, flatten: bool = False) -> Report:
    def patients(guarded: Guarded) -> Sequence[Patient]:
        if server is None:
            raise ConfigError("the settings cannot be read")
        return only(server, guarded)

    return await stop_trading(
        Folder(data), CLOCK, patients, print, by="tina", reason="fire", flatten=flatten, validity_s=0.0
    )


async def test_it_ends_the_run_cancels_keeps_stops_and_leaves_a_mark(tmp_path: Path) -> None:
    async with ward() as (server, desk):
        heart = beating(tmp_path)
        report = await halt(tmp_path, server)
        assert report.done
        assert "2 order(s) cancelled, 1 that protect kept" in report.text
        assert Folder(tmp_path).fence() == 3
        assert not heart.may_send(), "an engine that wakes up sends nothing"
        [left] = (await books(desk)).orders
        assert left.reduce_only
    [acted] = beating(tmp_path, epoch=4).begin("a1b2c3", 4)
    assert (acted.halted, acted.by, acted.flattened) == (True, "tina", False)
    assert "fire" in acted.text


async def test_it_closes_positions_where_it_is_told_to(tmp_path: Path) -> None:
    async with ward() as (server, desk):
        beating(tmp_path)
        report = await halt(tmp_path, server, flatten=True)
        assert report.done, report.text
        left = await books(desk)
        assert (left.orders, left.positions) == ((), ())


async def test_a_venue_that_has_had_enough_of_this_machine_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ward() as (server, desk):
        beating(tmp_path)
        server.faults.read_statuses = [429] * TRIES
        report = await halt(tmp_path, server)
        assert report.done, report.text
        assert "2 order(s) cancelled, 1 that protect kept" in report.text
        [left] = (await books(desk)).orders
        assert left.reduce_only
    assert "HTTP 429" in capsys.readouterr().out, "who waits is told why"


async def test_the_mark_is_left_even_where_the_venues_cannot_be_reached(tmp_path: Path) -> None:
    beating(tmp_path)
    report = await halt(tmp_path)
    assert not report.done
    assert "the settings cannot be read" in report.text
    kept = Folder(tmp_path).report()
    assert kept is not None
    assert (kept.halted, kept.by) == (True, "tina")


async def test_a_watchdog_that_acts_after_it_does_not_forget_the_halt(tmp_path: Path) -> None:
    async with ward() as (server, _):
        beating(tmp_path)
        await halt(tmp_path)
        now = [0.0]
        dog = Watchdog(Folder(tmp_path), CLOCK, lambda g: only(server, g), Options(), print, lambda: now[0])
        dog.look()
        now[0] = 60.0
        assert dog.look() is State.DEAD
        await dog.act()
        kept = Folder(tmp_path).report()
        assert kept is not None
        assert (kept.halted, kept.done, kept.by) == (True, True, "tina")


async def test_a_folder_in_which_nothing_has_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(MoonDevError, match="no engine has run in"):
        await halt(tmp_path)
    assert not Folder(tmp_path).path.exists()
