"""What was earned: `/pnl` over any period and by anything, and by day, week, month and pair as freqtrade has it.

A day begins at midnight UTC for everybody, so that a figure is the same whoever asks; times are in the person's zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from bot.call import Call
from bot.message import Block, Message, Pairs, Table, Text, money, percent
from bot.parse import Argument, UsageError
from bot.rows import reads
from bot.times import PERIODS, Period, local_text, period_of
from domain.facts import Severity
from domain.performance import Day, Part, Performance, Ratio
from domain.settings import DAY_NS
from domain.views import owner_words

if TYPE_CHECKING:
    from engine.desk import Desk

ZERO: Final = Decimal(0)
BY: Final = ("strategy", "venue", "symbol", "account", "day")
MOST_ROWS: Final = 30
MOST_DAYS: Final = 366
LONG_NS: Final = 7 * DAY_NS
"""From here on ratios over days are told, if only to say that the days are too few."""


async def pnl(call: Call) -> Message:
    """One period: what came of it, what it cost, how deep it fell, and who did it."""
    period = period_of(call.arguments.get("period", "today"), call.desk.clock.now_ns(), "UTC")
    by = call.arguments.get("by", "strategy").lower()
    seen = await call.desk.performance(period.since_ns, period.until_ns)
    if seen.problem:
        return _nothing(seen.problem, period)
    blocks: list[Block] = [Pairs(tuple(_rows(seen, call.room.zone(call.person.id))))]
    table = _days_table(_days(seen.by_day), "day") if by == "day" else _parts_table(_parts(seen, by), by)
    blocks += [table] if table is not None else []
    blocks += [Text(note) for note in seen.notes]
    return Message(title=f"PNL: {money(seen.net, sign=True)}, {period.words}", blocks=tuple(blocks))


def _nothing(problem: str, period: Period) -> Message:
    blocks = (Text(problem), Text("The books as they are now: /balance, /positions."))
    return Message(title=f"PNL: no figures, {period.words}", blocks=blocks, severity=Severity.WARNING)


def _rows(seen: Performance, zone: str) -> Iterator[tuple[str, str]]:
    share = f" ({percent(seen.growth)})" if seen.growth is not None else ""
    yield "net", f"{money(seen.net, sign=True)}{share} after fees and funding"
    yield "realised", money(seen.realised, sign=True)
    yield "unrealised", f"{money(seen.unrealised, sign=True)}, open now {money(seen.open_profit, sign=True)}"
    yield "fees", money(-seen.fees, sign=True)
    yield "funding", money(seen.funding, sign=True)
    yield "equity", f"{money(seen.end_equity)}, at first {money(seen.start_equity)}"
    if seen.deposits:
        verb = "in" if seen.deposits > 0 else "out"
        yield "paid " + verb, f"{money(abs(seen.deposits))}, which is no {'profit' if seen.deposits > 0 else 'loss'}"
    yield "drawdown", _drawdown(seen, zone)
    yield "trades", f"{seen.trades} round trip{'' if seen.trades == 1 else 's'}, {seen.fills} fills"
    if seen.trades:
        yield "win rate", _win_rate(seen)
        yield "profit factor", _ratio(seen.profit_factor)
    if seen.to_ns - seen.from_ns >= LONG_NS:
        yield "Sharpe", _ratio(seen.sharpe)
        yield "Sortino", _ratio(seen.sortino)
    yield "counted", f"{local_text(seen.from_ns, zone)} to {local_text(seen.to_ns, zone)}"


def _drawdown(seen: Performance, zone: str) -> str:
    worst = seen.max_drawdown
    if not worst.fraction:
        return "none"
    when = local_text(worst.trough_ns, zone)
    now = f"now {percent(-seen.drawdown)}"
    again = f"made good {local_text(worst.recovered_ns, zone)}" if worst.recovered_ns else now
    return f"{percent(-worst.fraction)} ({money(-worst.amount)}) at {when}, {again}"


def _win_rate(seen: Performance) -> str:
    if seen.win_rate.value is None:
        return f"{seen.wins} of {seen.trades} won; {seen.win_rate.caveat}"
    return f"{seen.win_rate.value:.1%} {seen.win_rate.caveat}"


def _ratio(ratio: Ratio) -> str:
    return ratio.caveat if ratio.value is None else f"{ratio.value:.2f} ({ratio.caveat})"


def _parts(seen: Performance, by: str) -> tuple[Part, ...]:
    kinds = {"venue": seen.by_venue, "symbol": seen.by_symbol, "account": seen.by_account}
    if by in kinds:
        return kinds[by]
    return tuple(structs.replace(part, name=owner_words(part.name)) for part in seen.by_strategy)


def _parts_table(parts: tuple[Part, ...], by: str) -> Table | None:
    """One row each, best first; None where there is nothing to tell apart."""
    if not parts:
        return None
    rows = [
        (
            part.name,
            money(part.net, sign=True),
            money(part.realised, sign=True),
            money(part.unrealised, sign=True),
            money(-part.fees, sign=True),
            money(part.funding, sign=True),
            f"{part.wins}/{part.trades}",
        )
        for part in parts[:MOST_ROWS]
    ]
    if len(parts) > MOST_ROWS:
        rest = sum((part.net for part in parts[MOST_ROWS:]), start=ZERO)
        rows.append((f"{len(parts) - MOST_ROWS} others", money(rest, sign=True), "", "", "", "", ""))
    return Table((by, "net", "realised", "open", "fees", "funding", "won"), tuple(rows))


class _Stretch(Struct, kw_only=True):
    """A day, a week or a month."""

    name: str
    net: Decimal = ZERO
    start: Decimal = ZERO
    """Capital that it began with, and what was paid in during it."""
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    trades: int = 0
    known: bool = True


def _days(days: Iterable[Day], name_of: Callable[[date], str] = date.isoformat) -> list[_Stretch]:
    """Days put together by name, newest first."""
    made: dict[str, _Stretch] = {}
    for day in days:
        name = name_of(date.fromisoformat(day.day))
        into = made.get(name)
        if into is None:
            into = made[name] = _Stretch(name=name, start=day.equity - day.net)
        elif day.deposits > 0:
            into.start += day.deposits
        into.net += day.net
        into.fees += day.fees
        into.funding += day.funding
        into.trades += day.trades
    return list(made.values())[::-1]


def _days_table(stretches: list[_Stretch], by: str) -> Table | None:
    if not stretches:
        return None
    rows = tuple(
        (
            each.name,
            money(each.net, sign=True) if each.known else "no data",
            percent(each.net / each.start) if each.known and each.start > 0 else "-",
            money(-each.fees, sign=True) if each.known else "-",
            money(each.funding, sign=True) if each.known else "-",
            str(each.trades) if each.known else "-",
        )
        for each in stretches
    )
    return Table((by, "net", "%", "fees", "funding", "trades"), rows)


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


async def daily(call: Call) -> Message:
    """The last days, newest first."""
    return await _by_time(call, "day", 7, date.isoformat, lambda today, n: today - timedelta(days=n))


async def weekly(call: Call) -> Message:
    """The last ISO weeks, newest first."""
    return await _by_time(call, "week", 8, _week, lambda today, n: today - timedelta(days=today.weekday(), weeks=n))


async def monthly(call: Call) -> Message:
    """The last months, newest first."""
    return await _by_time(call, "month", 6, _month, _months_back)


def _months_back(today: date, count: int) -> date:
    index = today.year * 12 + today.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)


async def _by_time(
    call: Call, what: str, usual: int, name_of: Callable[[date], str], back: Callable[[date, int], date]
) -> Message:
    count = int(call.arguments.get("n", usual))
    now_ns = call.desk.clock.now_ns()
    today = datetime.fromtimestamp(now_ns / 1e9, UTC).date()
    try:
        first = back(today, count - 1) if 1 <= count <= MOST_DAYS else None
    except (OverflowError, ValueError):
        first = None
    if first is None:
        raise UsageError(f"{count} is too much or too little: say how many {what}s, from 1 to {MOST_DAYS}")
    since_ns = round(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) * 10**9
    seen = await call.desk.performance(since_ns, now_ns)
    words = f"by {what}, UTC"
    if seen.problem:
        return _nothing(seen.problem, Period(since_ns=since_ns, until_ns=now_ns, words=words))
    known = {each.name: each for each in _days(seen.by_day, name_of)}
    names = dict.fromkeys(name_of(back(today, n)) for n in range(count))
    began = name_of(date.fromisoformat(seen.by_day[0].day)) if seen.by_day else ""
    shown = [known.get(name, _Stretch(name=name, known=False)) for name in names if name >= began]
    table = _days_table(shown, what)
    blocks = (*((table,) if table is not None else ()), *(Text(note) for note in seen.notes))
    return Message(title=f"PNL {words}: {money(seen.net, sign=True)} in all", blocks=blocks)


async def performance(call: Call) -> Message:
    """What each pair earned, best first."""
    period = period_of(call.arguments.get("period", "all"), call.desk.clock.now_ns(), "UTC")
    seen = await call.desk.performance(period.since_ns, period.until_ns)
    if seen.problem:
        return _nothing(seen.problem, period)
    table = _parts_table(seen.by_symbol, "symbol")
    blocks = (table,) if table is not None else (Text("Nothing was traded or held."),)
    return Message(title=f"Performance: {money(seen.net, sign=True)}, {period.words}", blocks=blocks)


def _periods(_: Desk) -> Iterable[str]:
    return PERIODS


PERIOD: Final = Argument(
    name="period",
    help="today (default), 30m, 7d, mtd, 2026-11, all",
    required=False,
    pattern=rf"(?!({'|'.join(BY)})$).+",
    complete=_periods,
)
COUNT: Final = Argument(name="n", help="how many", required=False, whole=True)
VERBS: Final = (
    reads(
        "pnl",
        "What was earned in a period, what it cost and how deep it fell; the day is the UTC day",
        pnl,
        PERIOD,
        Argument(name="by", help="told apart by what; strategy if not said", required=False, choices=BY),
        aliases=("profit", "profitability", "pb"),
        examples=("/pnl", "/pnl 7d symbol", "/pnl mtd", "/pnl all venue"),
    ),
    reads("daily", "Profit by day", daily, COUNT, examples=("/daily", "/daily 14")),
    reads("weekly", "Profit by week", weekly, COUNT, examples=("/weekly", "/weekly 4")),
    reads("monthly", "Profit by month", monthly, COUNT, examples=("/monthly", "/monthly 12")),
    reads(
        "performance",
        "What each instrument earned, best first",
        performance,
        structs.replace(PERIOD, help="all (default), 7d, mtd", pattern="", rest=True),
        examples=("/performance", "/performance 30d"),
    ),
)
