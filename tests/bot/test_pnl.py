"""What was earned, in words: every table adds up to the figure in the title, and what is not known is said."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bot.message import Pairs, Table
from bot.render import plain
from bot.verbs import run_line
from domain.performance import Day, Performance
from tests.bot.world import SECOND_NS, Engine, actor, fresh_id

DAY_NS = 86_400 * SECOND_NS
ZERO = Decimal(0)
START_NS = int(datetime(2026, 9, 16, 9, tzinfo=UTC).timestamp()) * SECOND_NS


@pytest.fixture(scope="module")
def engine():
    engine = Engine(strategies=True, start_ns=START_NS)  # the time of day decides when strategies trade
    engine.play(400)
    return engine


async def ask(engine, line: str):
    return await run_line(engine.room, actor("vera"), line, fresh_id())


def figure(text: str) -> Decimal:
    found = re.search(r"[+-][\d,]+\.\d\d", text)
    assert found, text
    return Decimal(found[0].replace(",", ""))


@pytest.mark.parametrize("by", ["strategy", "venue", "symbol", "account", "day"])
async def test_every_table_adds_up_to_the_title(engine, by):
    reply = await ask(engine, f"/pnl all {by}")
    (table,) = [block for block in reply.blocks if isinstance(block, Table)]
    total = sum((figure(row[1]) for row in table.rows), start=ZERO)
    assert abs(total - figure(reply.title)) <= Decimal("0.01") * len(table.rows)
    assert table.columns[0] == by


async def test_the_rows_are_what_the_desk_counts(engine):
    reply = await ask(engine, "/pnl 1h")
    (pairs,) = [block for block in reply.blocks if isinstance(block, Pairs)]
    rows = dict(pairs.rows)
    now_ns = engine.now_ns()
    seen = await engine.desk.performance(now_ns - 3600 * SECOND_NS, now_ns)
    assert seen.trades
    assert figure(rows["net"]) == round(seen.net, 2)
    assert figure(rows["realised"]) == round(seen.realised, 2)
    assert figure(rows["fees"]) == -round(seen.fees, 2)
    assert rows["trades"].startswith(f"{seen.trades} round trip")
    assert rows["trades"].endswith(f"{seen.fills} fills")
    assert "insufficient data: n = " in rows["win rate"]
    assert "Sharpe" not in rows, "an hour has no days"


async def test_the_day_is_the_utc_day_whoever_asks(engine):
    await engine.room.people.change("vera", timezone="Pacific/Auckland")
    reply = await ask(engine, "/pnl today")
    today = datetime.fromtimestamp(engine.now_ns() / 1e9, UTC).date()
    assert f"today ({today}, UTC day)" in reply.title
    assert "NZDT" in plain(reply), "times are in the person's zone"
    await engine.room.people.change("vera", timezone="UTC")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/pnl 7", "7 of what?"),
        ("/pnl strategie", "strategie"),
        ("/pnl today sector", "strategy|venue|symbol"),
        ("/daily 0", "1 to 366"),
        ("/monthly 99999", "1 to 366"),
    ],
)
async def test_what_is_not_understood_is_answered_with_what_is(engine, line, hint):
    reply = await ask(engine, line)
    assert not reply.ok
    assert hint in plain(reply)


async def test_a_period_before_the_beginning_says_so(engine):
    reply = await ask(engine, "/pnl 2024-02")
    assert "the records begin at" in plain(reply)
    assert reply.ok


@pytest.mark.parametrize("verb", ["daily", "weekly", "monthly", "performance", "profit"])
async def test_verbs_of_freqtrade_answer(engine, verb):
    reply = await ask(engine, f"/{verb}")
    assert reply.ok
    assert figure(reply.title) == round((await engine.desk.performance(0, engine.now_ns())).net, 2)


async def test_months_and_weeks_are_put_together_and_days_without_data_are_said(engine, monkeypatch):
    def day(name: str, net: int, deposits: int = 0) -> Day:
        return Day(
            day=name, from_ns=0, realised=Decimal(net), unrealised=ZERO, fees=ZERO, funding=ZERO,
            deposits=Decimal(deposits), equity=Decimal(1000 + net), trades=1,
        )  # fmt: skip

    today = datetime.fromtimestamp(engine.now_ns() / 1e9, UTC).date()
    first, last = today.replace(day=1).isoformat(), today.isoformat()
    days = (day("2026-01-05", 3), day("2026-01-06", 4), day(first, 10), day(last, -5))

    async def performance(_since_ns, _until_ns):
        return Performance(since_ns=0, until_ns=0, by_day=days, realised=Decimal(12))

    monkeypatch.setattr(engine.desk, "performance", performance)
    reply = await ask(engine, "/monthly 300")
    (table,) = [block for block in reply.blocks if isinstance(block, Table)]
    by_name = {row[0]: row for row in table.rows}
    assert by_name["2026-01"][1:3] == ("+7.00", "+0.70%")
    assert figure(by_name[today.strftime("%Y-%m")][1]) == 5
    assert by_name["2026-03"][1] == "no data"
    assert table.rows[-1][0] == "2026-01", "before the records there is nothing to say"
