"""`./moondev data` as a process of its own against a local venue: killed and started again, listed, told in words."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine.clock import WallClock
from engine.data.store.record import Recorder
from engine.data.store.series import Kind, Series
from engine.data.store.store import MarketStore
from tests.exchanges.hyperliquid import server
from tests.exchanges.hyperliquid.server import LocalVenue, book, candle, context, trade, trades
from tests.exchanges.hyperliquid.test_feed import made, until
from tests.needs import ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

OPEN_MS = server.NOW_MS // 60_000 * 60_000
BTC = "BTC-USDC-PERP.HYPERLIQUID"
CANDLES = Series(instrument=BTC, kind=Kind.CANDLES, interval_ns=60_000_000_000)
FETCH = ["fetch", "BTC", "--from", "2025-01-26T19:14", "--to", "2025-02-06T05:14"]
MINUTES = 15_000
PAGES = 4
"""Of 4,500 minutes each."""


class Slow(LocalVenue):
    """Answers candles only while `pages` lasts, and then leaves the caller waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = 100
        self.candles = [candle(OPEN_MS + n * 60_000) for n in range(MINUTES) if not 100 <= n < 110]
        self.hangs = asyncio.Event()

    async def _info(self, asked: web.Request) -> web.Response:
        if b"candleSnapshot" in await asked.read():
            if not self.pages:
                self.hangs.set()
                await asyncio.sleep(3_600)
            self.pages -= 1
        return await super()._info(asked)

    def spans(self) -> list[tuple[int, int]]:
        return [(q["req"]["startTime"], q["req"]["endTime"]) for q in self.asked if q["type"] == "candleSnapshot"]


async def data(folder: Path, venue: LocalVenue, *words: str) -> asyncio.subprocess.Process:
    """`main.py data ...` with the addresses of the local venue."""
    config = folder / "local.yaml"
    config.write_text(f"data_feed: {{base_url: '{venue.ws_url}', api_url: '{venue.url}'}}\n")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "main.py",
        "data",
        *words,
        "--data",
        str(folder),
        "--config",
        str(config),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def finished(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def listed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "main.py", "data", "ls", "--data", str(folder), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def test_a_download_that_was_killed_goes_on_where_it_stopped_and_says_what_is_missing(tmp_path):
    async with Slow() as venue:
        venue.pages = 2
        killed = await data(tmp_path, venue, *FETCH)
        await asyncio.wait_for(venue.hangs.wait(), 60)
        killed.kill()
        await killed.communicate()
        store = MarketStore(tmp_path / "market")
        assert store.read(CANDLES).num_rows == 9_000 - 10
        venue.asked.clear()
        venue.pages = 100
        code, out, err = await finished(await data(tmp_path, venue, *FETCH))
        assert (code, err) == (0, "")
        assert len(venue.spans()) == PAGES - 2
        assert venue.spans()[0][0] == OPEN_MS + 9_000 * 60_000
        assert "6,000 new rows in 2 pages; stored: 14,990 rows" in out
        assert "gap: 2025-01-26 20:54:00 to 2025-01-26 21:04:00, the source has none" in out
        assert store.read(CANDLES).num_rows == MINUTES - 10
    table = await asyncio.to_thread(listed, tmp_path, "--verify")
    assert table.returncode == 0
    assert "BTC-USDC-PERP.HYPERLIQUID candles 1m" in table.stdout
    assert "10 candles of 1m, the source has none" in table.stdout
    rows = json.loads((await asyncio.to_thread(listed, tmp_path, "--json")).stdout)
    assert [(row["rows"], len(row["gaps"]), row["sources"]) for row in rows] == [(14_990, 1, ["hyperliquid"])]


async def test_a_stopped_download_says_that_what_came_is_kept(tmp_path):
    async with Slow() as venue:
        venue.pages = 1
        process = await data(tmp_path, venue, *FETCH)
        await asyncio.wait_for(venue.hangs.wait(), 60)
        process.send_signal(signal.SIGINT)
        code, _, err = await finished(process)
        assert code == 1
        assert "run the same command again to go on" in err
        assert "Traceback" not in err


def live(venue: LocalVenue) -> None:
    """What the venue sends to whoever subscribes."""
    import time

    now_ms = time.time_ns() // 1_000_000
    venue.on_subscribe = {
        "l2Book": [book(now_ms), book(now_ms + 1)],
        "trades": [trades(trade(now_ms, 1), trade(now_ms + 1, 2))],
        "activeAssetCtx": [context()],
    }


async def test_a_recording_ends_with_a_signal_and_says_what_it_has(tmp_path):
    async with LocalVenue() as venue:
        live(venue)
        process = await data(tmp_path, venue, "record", "BTC")
        await until(lambda: len(venue.subscribed()) >= 3, 60)
        process.send_signal(signal.SIGINT)
        code, out, err = await finished(process)
    assert (code, err) == (0, "")
    store = MarketStore(tmp_path / "market")
    for kind in (Kind.BOOKS, Kind.TRADES, Kind.MARKS):
        rows = store.read(Series(instrument=BTC, kind=kind)).num_rows
        assert f"{BTC} {kind}: {rows} rows recorded" in out


RECORD = """
import asyncio, sys
from pathlib import Path
import wiring
from engine.config import load_config
from engine.clock import WallClock
from engine.data.store.listen import listen
from engine.clock import WallClock
from engine.data.store.record import Recorder
from engine.data.store.series import Kind
from engine.data.store.store import MarketStore
folder = Path(sys.argv[1])
config = load_config(folder / "local.yaml", "paper")
asyncio.run(listen(
    MarketStore(folder / "market"), wiring.venue_history("hyperliquid", config),
    lambda known: wiring.venue_feed(config, known), ["BTC"], [Kind.TRADES], WallClock(), flush_s=0.1,
))
"""
"""A recording that is stored ten times a second instead of twice a minute."""


async def test_a_recording_that_is_killed_keeps_what_was_stored_and_leaves_a_gap(tmp_path):
    store, series = MarketStore(tmp_path / "market"), Series(instrument=BTC, kind=Kind.TRADES)
    async with LocalVenue() as venue:
        (tmp_path / "local.yaml").write_text(f"data_feed: {{base_url: '{venue.ws_url}', api_url: '{venue.url}'}}\n")
        for rows in (2, 4):
            live(venue)
            venue.on_subscribe["trades"][0]["data"][0]["tid"] = rows
            venue.on_subscribe["trades"][0]["data"][1]["tid"] = rows + 1
            with (tmp_path / "output.txt").open("w") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", RECORD, str(tmp_path), cwd=ROOT, stdout=output, stderr=output
                )
            done = lambda p=process, n=rows: p.returncode is not None or store.manifest(series).rows >= n  # noqa: E731
            await until(done, 60)
            assert process.returncode is None, (tmp_path / "output.txt").read_text()
            process.kill()
            await process.wait()
            assert store.read(series).num_rows == rows
    assert len(store.manifest(series).gaps(series)) == 1


async def test_a_connection_that_breaks_comes_back_and_the_time_between_is_a_gap(tmp_path):
    store = MarketStore(tmp_path)
    async with LocalVenue() as venue:
        live(venue)
        clock = WallClock()
        feed = made(venue, clock)
        recorder = Recorder(store, await feed.instruments(), [Kind.TRADES], "feed", clock)
        await feed.start(recorder.put, recorder.feeds())
        await until(lambda: len(venue.subscribed()) >= 2)
        venue.cut()
        await until(lambda: feed.reconnects == 1)
        await feed.aclose()
    await recorder.flush()
    series = Series(instrument="BTC-USDC-PERP.PAPER", kind=Kind.TRADES)
    assert store.read(series).num_rows == 2, "what the venue sends again is known"
    assert (recorder.outages, len(store.manifest(series).gaps(series))) == (1, 1)


def refusal(folder: Path, *words: str) -> str:
    command: list[Any] = [sys.executable, "main.py", "data", *words, "--data", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_mistakes_are_told_in_words(tmp_path):
    assert "there is no venue 'mtgox'; there are HYPERLIQUID, BINANCE" in refusal(
        tmp_path, "fetch", "BTC", "--venue", "mtgox"
    )
    assert "--kinds books: choose candles, funding, trades" in refusal(tmp_path, "fetch", "BTC", "--kinds", "books")
    assert "such as 1m, 4h or 1d" in refusal(tmp_path, "fetch", "BTC", "--interval", "1x")


def test_a_file_that_lies_is_refused_and_the_others_are_stored(tmp_path):
    head = "ts_ns,open,high,low,close,volume\n"
    rows = [f"{1_737_918_840_000_000_000 + n * 60_000_000_000},100,101,99,100.5,3\n" for n in range(5)]
    (tmp_path / "BTC_USDT-1m.csv").write_text(head + "".join(rows))
    (tmp_path / "ETH_USDT-1m.csv").write_text(head + "".join(reversed(rows)))
    files = [str(tmp_path / f"{name}_USDT-1m.csv") for name in ("ETH", "BTC")]
    said = refusal(tmp_path, "import", *files)
    assert "Refused: ETH_USDT-1m.csv: its rows run backwards" in said
    store = MarketStore(tmp_path / "market")
    (series,) = store.all()
    assert (series.name, store.read(series).num_rows) == ("BTC-USDT-PERP.PAPER candles 1m", 5)
