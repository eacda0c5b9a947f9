"""What a summary makes of figures that a test market of minutes cannot have: weeks, months, many strategies."""

from decimal import Decimal

import pytest

from bot.message import Message
from bot.render import _lines, plain
from bot.reports import compose
from bot.reports.calendar import Kind, Span
from bot.reports.words import days_text
from domain.performance import Day, Fall, Part, Performance, Ratio
from domain.reports import AlertCount, Happened, OverrideRow, Verified
from domain.views import RequestView
from tests.bot.world import Engine

DAY_NS = 86_400_000_000_000
SINCE = 20_423 * DAY_NS  # 2025-12-01, a Monday


def day(number, net, trades=3, equity="100000"):
    return Day(
        day=f"2025-12-{number:02}", from_ns=SINCE + number * DAY_NS, realised=Decimal(net), unrealised=Decimal(0),
        fees=Decimal(0), funding=Decimal(0), deposits=Decimal(0), equity=Decimal(equity), trades=trades,
    )  # fmt: skip


def part(name, net, trades=1):
    return Part(name=name, realised=Decimal(net), trades=trades)


def performance(**figures):
    base = {"since_ns": SINCE, "until_ns": SINCE + 7 * DAY_NS, "fills": 9, "trades": 9, "wins": 5}
    return Performance(**(base | {"growth": Decimal("0.0123"), "realised": Decimal(1230)} | figures))


async def text_of(monkeypatch, period, kind=Kind.WEEKLY, happened=None):
    engine = Engine()

    async def asked(since_ns, until_ns):
        return period

    async def told(since_ns, until_ns):
        return happened or Happened(since_ns=since_ns, until_ns=until_ns)

    async def drawn(*_):
        raise ValueError

    monkeypatch.setattr(engine.desk, "performance", asked)
    monkeypatch.setattr(engine.desk.records, "happened", told)
    monkeypatch.setattr(compose, "drawn", drawn)
    span = Span(period.since_ns, period.until_ns)
    made: Message = await compose.compose(engine.room, kind, span, "UTC", period.until_ns)
    wide = [line.text for line in _lines(made) if line.look == "fixed" and len(line.text) > compose.PHONE]
    assert not wide
    return plain(made)


async def test_a_week_shows_its_days(monkeypatch):
    days = tuple(day(number, net) for number, net in enumerate((120, -40, 0, 310, 90, -15, 7), 1))
    text = await text_of(monkeypatch, performance(by_day=days))
    assert text.startswith("Weekly summary: +1,230.00 (+1.23%)\n1 to 7 Dec 2025 (7 UTC days) · paper money\n")
    assert "Mon 1 Dec  +120.00       3\n" in text
    assert "Sun 7 Dec    +7.00       3\n" in text


async def test_a_month_shows_its_best_and_its_worst_day(monkeypatch):
    days = tuple(day(number, 100 - 37 * (number % 7)) for number in range(1, 31))
    period = performance(by_day=days, until_ns=SINCE + 31 * DAY_NS)
    text = await text_of(monkeypatch, period, Kind.MONTHLY)
    assert "December 2025 (UTC)" in text
    assert "best day   Sun 7 Dec +100.00\n" in text
    assert "worst day  Sat 6 Dec -122.00\n" in text
    assert "days       14 of 30 with a profit" in text


async def test_the_largest_parts_are_shown_and_the_rest_together(monkeypatch):
    parts = tuple(part(f"correlation-pairs-{number}", 10 * number * (-1) ** number) for number in range(1, 13))
    text = await text_of(monkeypatch, performance(by_strategy=parts, by_venue=(part("PAPER", 60),)))
    assert "correlation-p…" in text
    assert "+120.00" in text
    assert "6 more" in text
    assert "venue" not in text, "one venue alone has earned what all have"


async def test_targets_stand_beside_what_is_so(monkeypatch):
    ever = performance(
        by_day=tuple(day(number, 500) for number in range(1, 31)),
        sharpe=Ratio(value=1.234, n=90, caveat=""),
        win_rate=Ratio(value=0.567, n=420, caveat="95% of such records lie between 52% and 61%"),
        max_drawdown=Fall(fraction=Decimal("0.0812")),
    )
    text = await text_of(monkeypatch, ever)
    assert "day PNL: +0.50% in the mean, n = 30 days (target 0.5%)" in text
    assert "Sharpe: 1.23, n = 90 (target > 1.5)" in text
    assert "drawdown: 8.1% (target < 25%)" in text
    assert "win rate: 57%, n = 420, 95% of such records lie between 52% and 61% (target > 60%)" in text
    assert "No promise." in text


async def test_without_data_the_targets_say_so(monkeypatch):
    text = await text_of(monkeypatch, performance())
    assert text.count("insufficient data: n = 0") == 3


async def test_money_paid_in_is_not_profit_and_is_said(monkeypatch):
    text = await text_of(monkeypatch, performance(deposits=Decimal(50_000)))
    assert "paid in     +50,000.00" in text


async def test_decisions_and_alerts_are_told_with_who_and_how_often(monkeypatch):
    request = RequestView(
        id="R7", what="override", text="", requester="rosa", votes=("adam", "rolf"), votes_needed=2,
        status="approved", expires_ns=0, digest="",
    )  # fmt: skip
    loosened = OverrideRow(
        rule="open_positions", scope="portfolio", value=Decimal(25), since_ns=SINCE, until_ns=SINCE + 1_800_000_000_000,
        persons=("rosa", "adam", "rolf"), ended="its time is over",
    )  # fmt: skip
    alerts = tuple(
        AlertCount(kind=f"kind{number}", severity=severity, count=number, last_ns=SINCE, last_text="")
        for number, severity in enumerate(("info", "warning", "critical", "error", "warning", "warning", "warning"), 1)
    )
    happened = Happened(
        since_ns=0, until_ns=1, requests=(request,) * 7, overrides=(loosened,), alerts=alerts,
        refused=(("MAX_EXPOSURE", 12), ("COLLAR", 3)),
    )  # fmt: skip
    text = await text_of(monkeypatch, performance(), happened=happened)
    assert "Approvals: 7 approved." in text
    assert "R7 override of rosa: approved by adam, rolf" in text
    assert "and 2 more: /audit" in text
    assert "open_positions of portfolio to 25 for 30 min, by rosa, adam, rolf, its time is over" in text
    assert "Risk refused 15: MAX_EXPOSURE 12, COLLAR 3." in text
    assert "Alerts: 3 critical, 4 error, 20 warning." in text
    assert text.index("critical kind3 x 3") < text.index("error kind4 x 4") < text.index("warning kind7 x 7")
    assert "and 1 more kinds" in text
    assert "kind1," not in text


async def test_what_cannot_be_known_is_said(monkeypatch):
    nothing = Happened(since_ns=0, until_ns=1, problem="the database cannot be read (OperationalError)")
    text = await text_of(monkeypatch, performance(problem="No figures: the database cannot be read."), happened=nothing)
    assert "No figures: the database cannot be read." in text
    assert "Approvals and alerts are not known: the database cannot be read (OperationalError)." in text


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (Verified(seq=9, head="ab" * 32), "not verified since the start."),
        (Verified(seq=9, head="ab" * 32, verified_ns=DAY_NS, verified_seq=8, is_sound=True), "5 h ago up to 8: whole."),
        (Verified(seq=9, head="ab" * 32, verified_ns=DAY_NS, detail="broken at byte 7"), "NOT WHOLE. broken at byte 7"),
    ],
)
def test_the_audit_chain_is_told_in_a_sentence(view, words):
    text = compose.chain_words(view, DAY_NS + 5 * 3_600_000_000_000)
    assert text.startswith("Audit: head abababababababab at record 9; ")
    assert text.endswith(words)


@pytest.mark.parametrize(
    ("since", "days", "words"),
    [
        (0, 1, "Mon 1 Dec 2025 (UTC day)"),
        (0, 7, "1 to 7 Dec 2025 (7 UTC days)"),
        (0, 31, "December 2025 (UTC)"),
        (-5, 10, "26 Nov to 5 Dec 2025 (10 UTC days)"),
        (25, 10, "26 Dec 2025 to 4 Jan 2026 (10 UTC days)"),
        (0, 62, "1 Dec 2025 to 31 Jan 2026 (62 UTC days)"),
    ],
)
def test_days_are_named_as_people_name_them(since, days, words):
    assert days_text(SINCE + since * DAY_NS, SINCE + (since + days) * DAY_NS) == words
