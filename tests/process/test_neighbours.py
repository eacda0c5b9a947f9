"""Neighbours that fail: a chat that refuses the token, a feed that falls silent. Trading goes on where that is safe."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.bot.servers.telegram_server import TOKEN, TelegramServer
from tests.exchanges.hyperliquid.server import LocalVenue, bbo, book, trade, trades
from tests.process.program import QUICK, Program

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


async def off_loop(call: Callable[..., str], *arguments: object) -> str:
    """A blocking call of the test, while the local servers go on serving."""
    return await asyncio.to_thread(call, *arguments)


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    await server.start()
    yield server
    await server.stop()


async def test_a_wrong_bot_token_is_said_and_trading_goes_on(tmp_path: Path, telegram: TelegramServer) -> None:
    settings = (
        QUICK
        + f"""
telegram:
  enabled: true
  base_url: {telegram.base_url}
  base_file_url: {telegram.file_url}
"""
    )
    program = Program(tmp_path, settings, forked=True)
    program.data.mkdir(mode=0o700)
    secret = program.data / "secrets"
    secret.write_text("telegram_token = 4242:this-is-not-the-token-of-this-bot\n")
    secret.chmod(0o600)
    program.start()
    try:
        await off_loop(program.ready)
        await off_loop(program.until, "/trades 1", "BTC")
        await off_loop(program.changes, "/trades 1")
        assert "ACTIVE" in await off_loop(program.until, "/status", "ACTIVE")
        told = program.output() + (program.data / "moondev.log").read_text()
        assert "token" in told.lower()
        assert "this-is-not-the-token" not in told
        assert await asyncio.to_thread(program.stop) == 0
    finally:
        if program.process is not None and program.process.poll() is None:
            program.kill()


async def test_an_alert_raised_just_before_kill_9_reaches_the_chat_after_the_restart_once(
    tmp_path: Path, telegram: TelegramServer
) -> None:
    """The first halt comes before chat is up, the second while nothing can be written for it."""
    settings = f"""{QUICK}
telegram: {{enabled: true, base_url: "{telegram.base_url}", base_file_url: "{telegram.file_url}", alert_chats: [-7]}}
alerts: {{fills: false}}
"""
    program = Program(tmp_path, settings, forked=True)
    program.data.mkdir(mode=0o700)
    secret = program.data / "secrets"
    secret.write_text(f"telegram_token = {TOKEN}\n")
    secret.chmod(0o600)
    try:
        program.start()
        await off_loop(program.ready)
        await off_loop(program.ask, "/halt the first")
        await telegram.text("Trading is HALTED", chat=-7, within_s=30)
        await off_loop(program.ask, "/resume", "rosa")
        with contextlib.closing(sqlite3.connect(program.data / "ops.db", isolation_level=None)) as chat_database:
            chat_database.execute("begin immediate")  # nothing can be queued for the chat any more
            await off_loop(program.ask, "/flatten all the second")
            program.kill()
        assert not [one for one in telegram.sent if "the second" in one.text]
        program.start()
        await off_loop(program.ready)
        await telegram.text("tina: the second", chat=-7, within_s=30)
        await telegram.text("MoonDev is up", chat=-7, count=2, within_s=30)
        assert await asyncio.to_thread(program.stop) == 0
    finally:
        if program.process is not None and program.process.poll() is None:
            program.kill()
    halts = [one.text for one in telegram.sent if "Trading is HALTED" in one.text]
    assert sum("tina: the first" in text for text in halts) == 1, "what was told before is not told again"
    assert len({text.partition("ref ")[2] for text in halts}) == len(halts)


async def keep_pushing(venue: LocalVenue) -> None:
    """A market that moves a little, ten times a second, until cancelled."""
    n = 0
    while True:
        n += 1
        now_ms = int(time.time() * 1000)
        low, high = f"{105_050 + n % 5}.0", f"{105_056 + n % 5}.0"
        side, px = ("B", high) if n % 2 else ("A", low)
        done = trade(now_ms, n, side, px, "0.5")
        await venue.push(book(now_ms, low, high), bbo(now_ms, low, high), trades(done))
        await asyncio.sleep(0.1)


async def test_a_feed_that_falls_silent_stops_new_risk_and_comes_back(tmp_path: Path) -> None:
    async with LocalVenue() as venue:
        settings = f"""
data_feed: {{source: hyperliquid, base_url: "{venue.ws_url}", api_url: "{venue.url}", conflate: 20ms}}
gateway: {{enabled: false}}
execution: {{stale_feed: 2s}}
instruments:
  - {{id: BTC-USDC-PERP.PAPER, symbol: BTC, aliases: [BTC], tick_size: 0.1, lot_size: 0.00001, max_significant: 5,
      min_notional: 10, maker_fee: 0.015%, taker_fee: 0.045%}}
strategies:
  - {{id: quoter, kind: bench_quoter, account: "PAPER:main", instruments: [BTC-USDC-PERP.PAPER],
     params: {{every: 5, ticks_away: 100, qty: 0.002, cap: 0.02}}}}
"""
        program = Program(tmp_path, settings, forked=True)
        program.start()
        market = asyncio.create_task(keep_pushing(venue))
        try:
            await off_loop(program.ready)
            await off_loop(program.until, "/status", "open orders 2")
            market.cancel()
            await off_loop(program.until, "/status", "stale")
            await off_loop(program.until, "/status", "open orders 0")
            market = asyncio.create_task(keep_pushing(venue))
            await off_loop(program.until, "/status", "open orders 2")
            assert await asyncio.to_thread(program.stop) == 0
        finally:
            market.cancel()
            if program.process is not None and program.process.poll() is None:
                program.kill()
