"""The verb `/risk`: what the portfolio can lose, by place, by odds, and by shock."""

from __future__ import annotations

from decimal import Decimal

from bot.call import Call
from bot.message import Block, Message, Pairs, Table, Text, bar, money, number
from bot.parse import UsageError
from domain.facts import Severity
from domain.risk_views import (
    CorrelationView,
    ExposureView,
    LimitUseView,
    RiskView,
    StrategyRiskView,
    StressView,
    TailView,
)

SEVERITY = {"low": Severity.INFO, "medium": Severity.WARNING, "high": Severity.ERROR, "critical": Severity.CRITICAL}
STRESS_NOTE = (
    "Worst of three: others by their beta, everything together, hedges fail. Stops are not counted: in a minute they "
    "fill behind the price. Leaving afterwards costs extra: a wider spread and the fee; the book behind the touch is "
    "not known."
)


async def risk(call: Call) -> Message:
    """Risk at a glance, or with `stress` what shocks would do."""
    if call.arguments.get("view", "").lower() == "stress":
        return _stress(call)
    if what := call.arguments.get("what", ""):
        raise UsageError(f"/risk {what} is not known; did you mean /risk stress {what}?")
    view = call.desk.risk()
    blocks: list[Block] = [Pairs(tuple(_figures(view)))]
    if view.limits:
        blocks.append(_limits(view.limits))
    for title, rows in (("asset", view.by_asset), ("venue", view.by_venue), ("strategy", view.by_strategy)):
        if rows:
            blocks.append(_exposure(title, rows))
    if view.gross:
        blocks += [Text("Losses that are not passed in 95 or 99 of 100 steps (VaR), and the mean beyond (ES):")]
        blocks += [
            _tails(view.tails),
            Text("* the hour's times the square root of 24, as if no hour knew of the last."),
        ]
    blocks += _correlation(view.correlation)
    if any(row.share != 1 or row.drawdown for row in view.strategies):
        blocks.append(_strategies(view.strategies))
    if view.not_covered:
        blocks.append(Text(f"{money(view.not_covered)} of it has no samples yet: VaR and ES do not know it."))
    if view.unpriced:
        blocks.append(Text(f"No price of {', '.join(view.unpriced)}: what is held of it is counted nowhere here."))
    title = f"Risk: {view.level}, drawdown {view.drawdown:.1%}"
    return Message(title=title, blocks=tuple(blocks), severity=SEVERITY[view.level])


def part(value: Decimal | None) -> str:
    """A fraction in per cent, or a dash."""
    return f"{value:.1%}" if value is not None else "-"


def _figures(view: RiskView) -> list[tuple[str, str]]:
    leverage = f" ({number(view.leverage)} x equity)" if view.leverage is not None else ""
    rows = [
        ("equity", money(view.equity)),
        ("loss today", f"{view.day_loss:.2%} of the UTC day's opening"),
        ("drawdown", f"{view.drawdown:.2%} from the highest ever, {view.drawdown_week:.2%} within 7 days"),
        ("gross", f"{money(view.gross)}{leverage}"),
        ("net", money(view.net, sign=True)),
    ]
    rows += [
        (f"margin {m.account}", f"{part(m.used)} of equity, liquidation under {money(m.maintenance)}")
        for m in view.margins
        if m.initial
    ]
    if view.beta_to_btc is not None:
        beta = f"{view.beta_to_btc:+} (equity moves so many per cent when BTC moves one)"
    else:
        beta = _too_few(view.beta_n, view.beta_needed)
    return [*rows, ("beta to BTC", beta)]


def _limits(rows: tuple[LimitUseView, ...]) -> Table:
    """Each limit with what is used of it, the fullest first."""
    return Table(
        ("limit", "used", "", "now", "of", "where"),
        tuple(
            (
                row.rule,
                bar(row.share),
                f"{row.share:.0%}",
                in_unit(row.used, row.unit),
                in_unit(row.limit, row.unit),
                row.scope.partition(".")[0],
            )
            for row in rows
        ),
        left=2,
    )


def in_unit(value: Decimal, unit: str) -> str:
    """A limit's value as people say it."""
    if unit == "fraction":
        return f"{number((value * 100).normalize())}%"
    if unit == "USD":
        return money(value)
    return f"{number(value)}{'x' if unit == 'times' else ''}"


def _too_few(n: int, needed: int) -> str:
    return f"insufficient data: n = {n}, needs {needed}"


def _exposure(title: str, rows: tuple[ExposureView, ...]) -> Table:
    return Table(
        (title, "net", "gross", "of equity"),
        tuple((r.name, money(r.net, sign=True), money(r.gross), part(r.fraction)) for r in rows),
    )


def _tails(tails: tuple[TailView, ...]) -> Table:
    """One row per step and method; both levels beside each other."""
    rows = []
    for low, high in ((a, b) for a in tails for b in tails if a.level < b.level):
        if (low.step, low.method) != (high.step, high.method):
            continue
        step = f"{low.step} *" if low.step == "day" else low.step
        figures = [_tail(value, t) for t in (low, high) for value in (t.value_at_risk, t.shortfall)]
        rows.append((step, low.method, *figures, str(low.n)))
    columns = ("step", "method", "VaR 95", "ES 95", "VaR 99", "ES 99", "n")
    return Table(columns, tuple(rows), left=2)


def _tail(value: Decimal | None, tail: TailView) -> str:
    return money(value) if value is not None else f"needs n = {tail.needed}"


def _correlation(view: CorrelationView) -> list[Block]:
    if len(view.assets) < 2:
        return []
    if not view.rows:
        return [Text(f"Correlation: {_too_few(view.n, view.needed)}.")]
    rows = tuple((a, *(f"{c:.2f}" for c in row)) for a, row in zip(view.assets, view.rows, strict=True))
    what = f"Correlation of {view.n} {view.step}s, shrunk by {view.intensity:.0%}:"
    return [Text(what), Table(("", *view.assets), rows)]


def _strategies(rows: tuple[StrategyRiskView, ...]) -> Table:
    return Table(
        ("strategy", "profit", "drawdown", "share"),
        tuple(
            (r.id, money(r.profit, sign=True), part(r.drawdown), f"{part(r.share)}{' (cut)' if r.cut else ''}")
            for r in rows
        ),
    )


def _stress(call: Call) -> Message:
    found = call.desk.stress(call.arguments.get("what", ""))
    if isinstance(found, str):
        raise UsageError(found)
    worst = min(found, key=lambda view: view.worst)
    severity = max((SEVERITY[view.level_after] for view in found), key=list(Severity).index)
    if len(found) == 1:
        return Message(
            title=f"Stress: {worst.what}", blocks=(Pairs(tuple(_shock(worst))), Text(STRESS_NOTE)), severity=severity
        )
    rows = tuple(
        (
            view.name,
            money(view.worst, sign=True),
            part(view.worst_fraction),
            money(view.exit_cost),
            f"{view.level_after}{', liquidated' if view.liquidated else ''}",
        )
        for view in found
    )
    what = Pairs(tuple((view.name, view.what) for view in found))
    table = Table(("shock", "worst", "of equity", "exit cost", "then"), rows)
    assumed = tuple(Text(f"Assumed: {text}.") for text in dict.fromkeys(a for view in found for a in view.assumed))
    note = Text(f"{STRESS_NOTE} One in full, or your own: /risk stress BTC -20")
    title = f"Stress: {money(worst.worst, sign=True)} in the worst of {len(found)} ({worst.name})"
    return Message(title=title, blocks=(table, what, *assumed, note), severity=severity)


def _shock(view: StressView) -> list[tuple[str, str]]:
    worst = f"{money(view.worst, sign=True)} ({part(view.worst_fraction)} of equity)"
    rows = [
        ("worst", f"{worst}, then the risk is {view.level_after}"),
        *((name, money(profit, sign=True)) for name, profit in view.ways),
        ("exit cost", f"{money(view.exit_cost)} more to close everything then"),
    ]
    if view.moves:
        rows.append(
            ("moves", ", ".join(f"{asset} {move:+.1%}" if move else f"{asset} stays" for asset, move in view.moves))
        )
    rows += [(account, "the venue would LIQUIDATE it") for account in view.liquidated]
    rows += [
        (account, f"would be liquidated at {times:.2f} of the shock")
        for account, times in view.liquidated_at
        if times < 100
    ]
    rows += [(name, f"{times} times what the touch takes") for name, times in view.beyond_touch]
    return rows + [("assumed", text) for text in view.assumed]
