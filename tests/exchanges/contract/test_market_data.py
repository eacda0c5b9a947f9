"""`./moondev data` at every venue's local server: fetched in two halves, recorded, listed, and backtested by name."""

import asyncio
import importlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

import main
import wiring
from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.market import Feed, Trade
from engine.clock import WallClock
from engine.config import Config
from engine.config.venues import VenueSection
from engine.data.store.download import Request, download
from engine.data.store.record import RECORDED, Recorder
from engine.data.store.series import Kind, Series
from engine.data.store.store import MarketStore
from engine.data.synthetic import SyntheticMarket
from engine.data.synthetic_feed import SyntheticFeed
from exchanges.shared.setup import VENUES
from tests.exchanges.serve import KINDS

MINUTE_NS, HOUR_NS = 60_000_000_000, 3_600_000_000_000
MINUTES = 240
TELLS_TRADES = {"BINANCE", "DYDX"}
"""The venues whose public API hands out past trades."""


@asynccontextmanager
async def market_at(venue: str) -> AsyncIterator[tuple[Config, Instrument]]:
    """A local venue with a moving market of one contract, and settings that say where it is."""
    async with importlib.import_module(f"tests.exchanges.{venue.lower()}.serve").LOCAL.open(0) as server:
        instrument = server.instruments[0]
        market = SyntheticMarket([instrument], 7, time.time_ns())
        server.bars = market.bars
        events: asyncio.Queue = asyncio.Queue()
        feed = SyntheticFeed(market, WallClock())
        await feed.start(events.put_nowait, [Feed(kind=kind, instrument=instrument.id) for kind in KINDS])

        moving = asyncio.Event()

        async def pump() -> None:
            while True:
                event = await events.get()
                if hasattr(event, "instrument") and not hasattr(event, "state"):
                    await server.market(event)
                    if isinstance(event, Trade):
                        moving.set()

        pumping = asyncio.create_task(pump())
        told = {"name": venue.lower(), "network": "local", "base_url": server.url, "instruments": [instrument.id]}
        try:
            await asyncio.wait_for(moving.wait(), 30)
            yield Config().model_copy(update={"venues": [VenueSection.model_validate(told)]}), instrument
        finally:
            pumping.cancel()
            await feed.aclose()


def request(name: str, kind: Kind, start_ns: int, end_ns: int) -> Request:
    return Request(
        names=(name,), kinds=(kind,), intervals_ns=(MINUTE_NS,), start_ns=start_ns, end_ns=end_ns, now_ns=time.time_ns()
    )


async def record(store: MarketStore, config: Config, instrument: Instrument) -> None:
    """From the live feed, until there is something of each kind."""
    recorder = Recorder(store, [instrument], RECORDED, "feed", WallClock())
    feed = wiring.venue_feed(config, [instrument])
    await feed.start(recorder.put, recorder.feeds())
    async with asyncio.timeout(30):
        while not all(recorder.rows.values()):
            await asyncio.sleep(0.1)
            await recorder.flush()
    await feed.aclose()


async def collect(venue: str, store: MarketStore) -> Instrument:
    """Everything that a venue hands out, and a few moments of its feed."""
    async with market_at(venue) as (config, instrument):
        end_ns = time.time_ns() // MINUTE_NS * MINUTE_NS - MINUTE_NS
        start_ns, charged_ns = end_ns - MINUTES * MINUTE_NS, end_ns - HOUR_NS  # rates of the last minutes are not asked

        async def fetch(kind: Kind, from_ns: int, until_ns: int) -> list[str]:
            source = wiring.venue_history(venue.lower(), config)
            return await download(store, source, request(instrument.base, kind, from_ns, until_ns), ())

        half_ns = start_ns + MINUTES // 2 * MINUTE_NS
        await fetch(Kind.CANDLES, start_ns, half_ns)
        [line] = await fetch(Kind.CANDLES, start_ns, end_ns)
        assert f" {MINUTES // 2} new rows in 1 pages; stored: {MINUTES} rows" in line, (
            "only the other half was asked for"
        )
        [line] = await fetch(Kind.CANDLES, start_ns, end_ns)
        assert "nothing was missing" in line
        await fetch(Kind.FUNDING, charged_ns - 24 * HOUR_NS, charged_ns)
        await record(store, config, instrument)
        began_ns = time.time_ns() - MINUTE_NS
        if venue not in TELLS_TRADES:
            with pytest.raises(ConfigError, match=r"hands out no past trades. Record them .* data record"):
                await fetch(Kind.TRADES, began_ns - MINUTE_NS, began_ns)
        else:
            assert await fetch(Kind.TRADES, began_ns - MINUTE_NS, began_ns)
        return instrument


@pytest.mark.parametrize("venue", VENUES)
def test_every_venues_data_is_fetched_recorded_listed_and_backtested_by_name(venue: str, tmp_path: Path) -> None:
    store = MarketStore(tmp_path / "market")
    instrument = asyncio.run(collect(venue, store))

    said = CliRunner().invoke(main.app, ["data", "ls", "--json", "--verify", "--data", str(tmp_path)])
    assert said.exit_code == 0, said.output
    rows = {row["kind"]: row for row in json.loads(said.output)}
    assert set(rows) == {"candles", "funding", *map(str, RECORDED)}
    assert (rows["candles"]["rows"], rows["candles"]["gaps"]) == (MINUTES, [])
    rates = store.read(Series(instrument=instrument.id, kind=Kind.FUNDING)).column("ts_ns").to_pylist()
    assert len(rates) == 24 * HOUR_NS // instrument.funding_interval_ns
    assert all(ts_ns % instrument.funding_interval_ns == 0 for ts_ns in rates)

    words = [
        "backtest",
        "--strategy",
        "turtle",
        "--stored",
        instrument.id,
        "--store",
        str(tmp_path),
        "--interval",
        "1m",
    ]
    tested = CliRunner().invoke(main.app, words)
    assert tested.exit_code == 0, tested.output
    assert f"{instrument.id} candles 1m" in tested.output
    assert "NO FEES" not in tested.output
    assert "Refused" not in tested.output
    assert f"funding from {instrument.id} funding" in tested.output
