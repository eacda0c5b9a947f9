"""Does it earn only because something costs nothing? Fees, slippage, latency, and how orders meet bars."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from domain.facts import FillBooked
from domain.instrument import Instrument
from domain.market import Bar
from domain.order import Role
from exchanges.paper.config import FillModel, PaperConfig
from research.honesty.case import Case, Change, Run
from research.honesty.verdict import Evidence, Finding, Light

CHEAP = Decimal("0.1")
"""Part of the usual fee below which a contract counts as costing nothing."""
SLIPPAGE = Decimal("0.0002")
"""What an order that takes loses to the spread, as a part of the price, in the slippage run: 2 basis points."""
ENOUGH_EXITS = 10
PROTECTIVE = frozenset({Role.STOP, Role.TAKE_PROFIT})
LATENCIES = (0, 5)


def fees(case: Case) -> Finding:
    """Profit at no fees, half, the usual, double and triple fees, and with slippage."""
    name = "costs"
    usual = case.settings.core.instruments
    free = [each.id for each in case.instruments.values() if is_free(each, usual)]
    if free and not usual:
        claim = (
            "fees are zero and no contract is configured whose fees could be tried: the result says nothing about costs"
        )
        return Finding(
            check=name, light=Light.RED, claim=claim, advice="Give the contract its fees in a settings file."
        )
    charge = _charged_as(usual[0]) if free else (lambda each: each)
    plain = case.plain()
    pnl = {
        "x0": case.run(Change(contract=lambda each: times(each, Decimal(0)))).pnl,
        "x0.5": case.run(Change(contract=lambda each: times(charge(each), Decimal("0.5")))).pnl,
        "x1": case.run(Change(contract=charge)).pnl if free else plain.pnl,
        "x2": case.run(Change(contract=lambda each: times(charge(each), Decimal(2)))).pnl,
        "x3": case.run(Change(contract=lambda each: times(charge(each), Decimal(3)))).pnl,
        "slippage": case.run(Change(contract=lambda each: slipping(charge(each)))).pnl,
    }
    figures = {f"pnl_{key}": value for key, value in pnl.items()}
    table = ", ".join(f"{key} {value:+,.2f}" for key, value in pnl.items() if key != "slippage")
    text = f"PNL by fees: {table}; with 2 bp of slippage {pnl['slippage']:+,.2f}"
    if free and plain.pnl > 0 >= pnl["x1"]:
        return Finding(
            check=name,
            light=Light.RED,
            claim=f"it earns because it pays no fees: at those of {usual[0].id} it loses. {text}",
            advice="Give the contract its fees in a settings file, and test again.",
            evidence=(_two("no fees", plain.pnl, "usual fees", pnl["x1"]),),
            figures=figures,
        )
    if free:
        claim = f"its contract costs nothing here, which no venue offers. {text}"
        advice = "Give the contract its fees in a settings file."
        return Finding(check=name, light=Light.AMBER, claim=claim, advice=advice, figures=figures)
    if pnl["x1"] <= 0:
        before = (
            "and before fees too" if pnl["x0"] <= 0 else "although it earns before fees: they are more than its edge"
        )
        return Finding(check=name, light=Light.GREEN, claim=f"it loses, {before}. {text}", figures=figures)
    if min(pnl["x2"], pnl["slippage"]) <= 0:
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"its profit is thin: double fees or 2 bp of slippage take it all. {text}",
            advice="Trade less often, or passively; measure real slippage before you risk money.",
            figures=figures,
        )
    return Finding(check=name, light=Light.GREEN, claim=f"it earns at double fees too. {text}", figures=figures)


def is_free(instrument: Instrument, usual: Sequence[Instrument]) -> bool:
    """Whether taking costs next to nothing, compared with the configured contracts."""
    least = min((each.taker_fee for each in usual if each.taker_fee > 0), default=Decimal(0))
    return instrument.taker_fee <= least * CHEAP


def times(instrument: Instrument, factor: Decimal) -> Instrument:
    """The contract with its fees multiplied; a rebate is not made larger."""
    maker = instrument.maker_fee * (factor if instrument.maker_fee > 0 else min(factor, Decimal(1)))
    return replace(instrument, maker_fee=maker, taker_fee=instrument.taker_fee * factor)


def slipping(instrument: Instrument) -> Instrument:
    """The contract with the slippage on top of the taker fee: on bars there is no spread to pay."""
    return replace(instrument, taker_fee=instrument.taker_fee + SLIPPAGE)


def _charged_as(model: Instrument) -> Callable[[Instrument], Instrument]:
    return lambda each: replace(each, maker_fee=model.maker_fee, taker_fee=model.taker_fee)


def _two(first_in: str, first: float, second_in: str, second: float) -> Evidence:
    return Evidence(first_in=first_in, first=f"{first:+,.2f}", second_in=second_in, second=f"{second:+,.2f}")


def latency(case: Case) -> Finding:
    """Profit without any latency, as configured, and five times as slow."""
    name = "latency"
    if all(paper.fill_model is FillModel.SAME_CLOSE for paper in case.papers):
        return Finding(check=name, light=Light.GREY, claim="same_close knows no latency")
    pnl = {1: case.plain().pnl}
    for factor in LATENCIES:
        pnl[factor] = case.run(Change(paper=slower(factor))).pnl
    figures = {f"pnl_x{factor}": value for factor, value in sorted(pnl.items())}
    text = "PNL by latency: " + ", ".join(f"x{factor} {value:+,.2f}" for factor, value in sorted(pnl.items()))
    if pnl[1] > 0 >= pnl[5]:
        ms = max(paper.feed_ns + paper.entry_ns for paper in case.papers) * 5 / 1e6
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"it earns only while it is quick: with {ms:g} ms from market to order it loses. {text}",
            advice="Measure the latency that you have live (/health), and test with it.",
            figures=figures,
        )
    return Finding(
        check=name, light=Light.GREEN, claim=f"latency does not decide whether it earns. {text}", figures=figures
    )


def slower(factor: int) -> Callable[[PaperConfig], PaperConfig]:
    """So many times the latencies."""
    return lambda paper: replace(
        paper,
        feed_ns=paper.feed_ns * factor,
        entry_ns=paper.entry_ns * factor,
        response_ns=paper.response_ns * factor,
    )


def filling(model: FillModel) -> Callable[[PaperConfig], PaperConfig]:
    """Another model of fills."""
    return lambda paper: replace(paper, fill_model=model)


def fill_models(case: Case) -> Finding:
    """On bars alone: nothing may fill in the bar that was decided on, and no model of fills may make the profit."""
    name = "fills"
    if not case.is_bars:
        return Finding(check=name, light=Light.GREY, claim="it trades on a book or trades: bars are signals only")
    plain = case.plain()
    early = same_bar(plain, case)
    if early is not None:
        fair = case.run(Change(paper=filling(FillModel.NEXT_OPEN)))
        return Finding(
            check=name,
            light=Light.RED,
            claim="orders fill inside the very bar that they were decided on: "
            f"{plain.pnl:+,.2f} so, {fair.pnl:+,.2f} at the next bar's open",
            advice="Use next_open (the default): a close is only known when it is over.",
            evidence=(early,),
            figures={"pnl": plain.pnl, "pnl_next_open": fair.pnl},
        )
    models = {paper.fill_model for paper in case.papers}
    pnl = {
        model: plain.pnl if models == {model} else case.run(Change(paper=filling(model))).pnl
        for model in (FillModel.NEXT_OPEN, FillModel.OHLC_PATH)
    }
    figures = {f"pnl_{model.value}": value for model, value in pnl.items()}
    text = ", ".join(f"{model.value} {value:+,.2f}" for model, value in pnl.items())
    if min(pnl.values()) <= 0 < max(pnl.values()):
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"whether it earns depends on how limits meet bars: {text}",
            advice="Test it on trades or books: bars do not tell whether a limit at the edge of a bar was filled.",
            figures=figures,
        )
    return Finding(
        check=name, light=Light.GREEN, claim=f"no fill in the bar that was decided on; PNL {text}", figures=figures
    )


def same_bar(run: Run, case: Case) -> Evidence | None:
    """The first own fill at a price of the bar that was just seen, at the time it was seen."""
    bars = {(bar.instrument, bar.ts_ns): bar for bar in case.bars()}
    for fill in run.fills:
        bar = bars.get((fill.instrument, fill.ts_ns))
        if (
            bar is not None
            and fill.price == bar.close != bar.open
            and fill.role not in PROTECTIVE
            and _is_instant(run, fill)
        ):
            price = case.instruments[fill.instrument].price_float(fill.price)
            return Evidence(
                ts_ns=fill.ts_ns,
                first_in="decided on the close",
                first=f"{price:.10g}",
                second_in="filled at",
                second=f"{price:.10g}",
            )
    return None


def _is_instant(run: Run, fill: FillBooked) -> bool:
    return any(decision.ts_ns == fill.ts_ns for decision in run.trace.decisions)


class Exit(NamedTuple):
    """A protection that fired in a bar that also reached the other one; `gain` is what that would have been worth."""

    fill: FillBooked
    bar: Bar
    gain: float


def stops(case: Case) -> Finding:
    """Where stop and take-profit lie inside one bar, the bar does not tell which came first."""
    name = "stops inside bars"
    if not case.is_bars:
        return Finding(check=name, light=Light.GREY, claim="it trades on a book or trades, which tell what came first")
    plain = case.plain()
    fired = [fill for fill in plain.fills if fill.role in PROTECTIVE]
    if len(fired) < ENOUGH_EXITS:
        claim = f"insufficient data: n = {len(fired)} exits by a stop or take-profit, at least {ENOUGH_EXITS} needed"
        return Finding(check=name, light=Light.GREY, claim=claim)
    open_ends = unclear(case, plain, fired)
    share = len(open_ends) / len(fired)
    best = plain.pnl + sum(each.gain for each in open_ends)
    figures = {"exits": len(fired), "unclear_share": share, "pnl_worst_first": plain.pnl, "pnl_best_first": best}
    text = f"in {share:.0%} of {len(fired)} exits the bar reached stop and take-profit"
    if share < 0.1:
        return Finding(check=name, light=Light.GREEN, claim=text, figures=figures)
    first = open_ends[0]
    price = case.instruments[first.fill.instrument].price_float
    return Finding(
        check=name,
        light=Light.RED if share > 0.5 else Light.AMBER,
        claim=f"{text}: PNL {plain.pnl:+,.2f} with the worse one first, {best:+,.2f} with the better one",
        advice="Test on finer bars, trades or books, or put stop and take-profit further apart than a bar is long.",
        evidence=(
            Evidence(
                ts_ns=first.bar.ts_ns,
                first_in="bar's low and high",
                first=f"{price(first.bar.low):.10g} and {price(first.bar.high):.10g}",
                second_in="exit at",
                second=f"{price(first.fill.price):.10g}",
            ),
        ),
        figures=figures,
    )


def unclear(case: Case, run: Run, fired: Sequence[FillBooked]) -> list[Exit]:
    """Exits in bars that reached both protections in force."""
    bars = case.bars()
    decisions = run.trace.decisions
    found = []
    for fill in fired:
        bar = _newest(bars, fill)
        last = decisions[bisect_left(decisions, fill.ts_ns, key=lambda each: each.ts_ns) - 1]
        rest = next((each for each in last.desired.protections if each.instrument == fill.instrument), None)
        if bar is None or rest is None or not (rest.stop and rest.take_profit):
            continue
        contract = case.instruments[fill.instrument]
        low, high, price = (contract.price_float(each) for each in (bar.low, bar.high, fill.price))
        if low <= min(rest.stop, rest.take_profit) and max(rest.stop, rest.take_profit) <= high:
            other = rest.take_profit if fill.role is Role.STOP else rest.stop
            gain = (other - price) * -fill.side * contract.qty_float(fill.qty) * float(contract.multiplier)
            found.append(Exit(fill, bar, max(0.0, gain)))
    return found


def _newest(bars: Sequence[Bar], fill: FillBooked) -> Bar | None:
    """The last bar of its instrument that was there when a fill came: the one that made it."""
    at = bisect_right(bars, fill.ts_ns, key=lambda bar: bar.ts_ns)
    return next((bar for bar in reversed(bars[max(0, at - 50) : at]) if bar.instrument == fill.instrument), None)
