"""How long a chart and a period's figures take, and how late the event loop is meanwhile: `python -m tools.draw_bench`.

A year of one-minute samples and 100,000 fills lie in a real SQLite projection; pictures are drawn by the drawing
process that the service uses. The loop looks every millisecond how late it is; trading runs on that loop.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from bot.charts.common import curve
from bot.charts.sheet import Candles, Ink, Line, Marks, Panel, Sheet, Unit
from bot.charts.studio import Studio
from domain.facts import EquitySampled, Fact, FillBooked
from domain.instrument import Instrument
from domain.order import Liquidity, Role
from domain.performance import Performance
from domain.settings import MINUTE_NS
from engine.performance import Now
from engine.storage.ledger import Ledger
from engine.storage.projector import Projector

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
ACCOUNT = "PAPER:main"
START_NS = 1_764_000_000 * 10**9
MINUTES, FILLS = 525_600, 100_000
DRAWINGS = 10
ZERO = Decimal(0)


def year() -> Iterator[Fact]:
    """A year of one account that trades all day."""
    rng = random.Random(1)  # noqa: S311 - a made-up year, the same each time
    realised, fee = ZERO, Decimal("0.35")
    paid = ZERO
    for minute in range(MINUTES):
        at_ns, seq = START_NS + minute * MINUTE_NS, 2 * minute + 1
        if minute * FILLS // MINUTES != (minute + 1) * FILLS // MINUTES:
            earned = Decimal(rng.randint(-900, 1000)).scaleb(-2)
            realised += earned
            paid += fee
            yield FillBooked(
                seq=seq, index=0, ts_ns=at_ns, account=ACCOUNT, instrument=BTC.id, owner=f"s{minute % 9}", cid="c",
                fill_id=str(seq), role=Role.QUOTE, side=1 if minute % 2 else -1, price=600_000, qty=10, fee=fee,
                liquidity=Liquidity.MAKER, realised=earned,
            )  # fmt: skip
        cash = 10_000 + realised - paid
        yield EquitySampled(
            seq=seq + 1, index=0, ts_ns=at_ns, account=ACCOUNT, cash=cash, unrealised=ZERO, equity=cash,
            realised=realised, fees=paid, funding=ZERO,
        )  # fmt: skip


async def lateness(work: Awaitable[object]) -> tuple[float, float, float, float]:
    """Seconds that the work took, and median, 99th percentile and most that the loop was late meanwhile, in ms."""
    late: list[float] = []
    stop = asyncio.Event()

    async def watch() -> None:
        while not stop.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append((time.perf_counter() - before - 0.001) * 1e3)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    await work
    took = time.perf_counter() - began
    stop.set()
    await watching
    late.sort()
    return took, late[len(late) // 2], late[len(late) * 99 // 100], late[-1]


def say(what: str, took: float, median: float, high: float, most: float) -> None:
    """One row."""
    print(f"| {what} | {took:.2f} s | {median:.2f} / {high:.2f} / {most:.2f} ms |", flush=True)


def sheets(seen: Performance) -> dict[str, Sheet]:
    """What is drawn: the year's equity, and a day of candles with 80 marks."""
    times, values = curve(seen, lambda point: point.equity)
    equity = [Panel(elements=[Line(times, values, label="1")], unit=Unit.MONEY)]
    heights = [float(100 + n % 7) for n in range(96)]
    opens = [n * 15 * MINUTE_NS for n in range(96)]
    bars = Candles(opens, 15 * MINUTE_NS, heights, [h + 2 for h in heights], [h - 2 for h in heights], heights[::-1])
    marks = [Marks(opens[::2], heights[::2], [0.5] * 48, ink) for ink in (Ink.BUY, Ink.SELL)]
    price = [Panel(elements=[bars, *marks], unit=Unit.PRICE)]
    plain = Sheet(title="t", figure="f", subtitle="s", footer="f")
    return {
        "equity, a year": replace(plain, from_ns=seen.from_ns, to_ns=seen.to_ns, panels=equity),
        "price, 96 candles": replace(plain, to_ns=opens[-1], panels=price),
    }


async def measure(folder: Path) -> None:
    """Print the rows of the table in docs/benchmarks.md."""
    projector = Projector(f"sqlite:///{folder / 'p.db'}", {BTC.id: BTC}, "i")
    projector.open()
    projector.rebuild(year())
    ledger = Ledger(projector)
    end_ns = START_NS + MINUTES * MINUTE_NS
    now = Now(seq=2 * MINUTES + 9, ts_ns=end_ns, told=(1, 0), sample_ns=MINUTE_NS, equity=(), held=())
    say("nothing, for a second", *await lateness(asyncio.sleep(1)))
    for days in (365, 30, 1):
        since_ns = end_ns - days * 1_440 * MINUTE_NS
        say(f"figures of {days} d", *await lateness(ledger.performance(since_ns, end_ns, now)))
    seen = await ledger.performance(0, end_ns, now)
    studio = Studio()
    for name, sheet in sheets(seen).items():
        say(f"first picture ({name})", *await lateness(studio.draw(sheet)))

        async def several(sheet: Sheet = sheet) -> None:
            for _ in range(DRAWINGS):
                await studio.draw(sheet)

        took, *late = await lateness(several())
        say(f"each further one ({name})", took / DRAWINGS, *late)
        await studio.aclose()
    projector.close()


if __name__ == "__main__":
    sys.setswitchinterval(0.0002)
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(measure(Path(made)))
