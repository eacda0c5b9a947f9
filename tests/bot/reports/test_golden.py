"""What people read: each kind of summary in full. Read the files under golden/ as a person with a phone would.

After a change that is meant, write them anew: `python -m tests.bot.reports.test_golden`, and read them.
"""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.message import Picture
from bot.render import _lines, plain, telegram
from bot.reports import compose
from bot.reports.calendar import Kind, Span, span_before
from domain.facts import Alerted, OrderChanged, Severity
from domain.reports import Verified
from engine.verifier import Verifier
from tests.bot.streams.rooms import control_room, say, trade
from tests.bot.test_pictures import PIXEL
from tests.bot.world import Engine

GOLDEN = Path(__file__).parent / "golden"
HOUR_NS = 3_600_000_000_000
START = int(datetime(2026, 11, 28, 10, tzinfo=UTC).timestamp()) * 1_000_000_000
NOW = START + 22 * HOUR_NS
AT = START + 390_000_000_000
"""When the busy day's market stops: what `/report` shows then."""
KINDS = {"daily": Kind.DAILY, "weekly": Kind.WEEKLY, "monthly": Kind.MONTHLY}


class FixedVerifier(Verifier):
    """Of a journal that is the same in every run: what a summary says of a chain must not depend on the machine."""

    def __init__(self, found):
        self._found = found

    def view(self):
        return self._found


def alerted(engine, number, kind, severity, text):
    seq = engine.facts[-1].seq
    ts_ns = engine.facts[-1].ts_ns
    return Alerted(seq=seq, index=1000 + number, ts_ns=ts_ns, severity=severity, kind=kind, text=text)


async def busy_day():
    """Strategies trade, a person trades, trading is halted and resumed, an override is asked for and denied."""
    engine = Engine(strategies=True, start_ns=START)
    room = engine.room
    engine.play(60)
    await trade(room, "20", instrument="SOL-USDC-PERP.PAPER")
    engine.play(60)
    await say(room, "tina", "/halt the book looks wrong")
    await say(room, "rosa", "/resume it was a slow feed")
    for person in ("adam", "rolf"):
        await say(room, person, "/approve R1")
    await say(room, "rosa", "/override open_positions 25 30 all one more hedge")
    await say(room, "rolf", "/deny R2 not today")
    engine.play(240)
    await trade(room, "-20", instrument="SOL-USDC-PERP.PAPER")
    engine.play(30)
    news = [alerted(engine, n, "feed_gap", Severity.WARNING, "PAPER was silent for 4 s") for n in range(3)]
    news.append(alerted(engine, 3, "venue_down", Severity.CRITICAL, "PAPER does not answer"))
    engine.publish(news)
    sound = Verified(seq=48_211, head="9f" * 32, verified_ns=NOW - 3 * HOUR_NS, verified_seq=48_002, is_sound=True)
    engine.desk.records.verifier = FixedVerifier(sound)
    assert any(isinstance(fact, OrderChanged) for fact in engine.facts)
    return engine


async def drawn(kind, room, span, zone):
    return Picture(name=f"{kind}.png", png=PIXEL, words=f"{kind.capitalize()} of these days")


async def summary(engine, name):
    compose.drawn = drawn
    if name == "now":
        return await compose.compose(engine.room, None, Span(START - 10 * HOUR_NS, AT), "Europe/Berlin", AT)
    if name == "empty":
        return await compose.compose(engine.room, Kind.DAILY, span_before(Kind.DAILY, NOW - 24 * HOUR_NS), "UTC", NOW)
    if name == "missed":
        return await compose.compose(
            engine.room, Kind.DAILY, Span(NOW - 80 * HOUR_NS, NOW - 8 * HOUR_NS, 2), "UTC", NOW
        )
    kind = KINDS[name]
    return await compose.compose(
        engine.room, kind, span_before(kind, NOW + 72 * HOUR_NS * (name != "daily")), "UTC", NOW
    )


NAMES = ("daily", "weekly", "monthly", "now", "empty", "missed")


@pytest.fixture(scope="module")
def day():
    return asyncio.run(busy_day())


@pytest.mark.parametrize("name", NAMES)
async def test_a_summary_reads_as_it_was_read(day, name, monkeypatch):
    monkeypatch.setattr(compose, "drawn", drawn)
    message = await summary(day, name)
    assert plain(message) + "\n" == (GOLDEN / f"{name}.txt").read_text()
    wide = [line.text for line in _lines(message) if line.look == "fixed" and len(line.text) > compose.PHONE]
    assert not wide, "no wider than a phone shows"
    texts = [parcel for parcel in telegram(message) if not parcel.picture]
    assert len(texts) <= 1, "one message, then the pictures"


async def write() -> None:
    engine = await busy_day()
    with tempfile.TemporaryDirectory() as folder:
        async with control_room(Path(folder), engine):
            for name in NAMES:
                (GOLDEN / f"{name}.txt").write_text(plain(await summary(engine, name)) + "\n")


if __name__ == "__main__":
    asyncio.run(write())
