"""The verdict in words: what came out, whether it can be told from luck, and what it would take."""

from __future__ import annotations

import enum

from msgspec import Struct

from research.measures.benchmark import Benchmark
from research.measures.costs import Costs
from research.measures.figure import Figure
from research.measures.numbers import money, percent, ratio
from research.measures.paths import Paths
from research.measures.targets import Standing, Target
from risk.statistics import LEAST_DAYS, LEAST_TRADES

SURE = 0.95


class Tone(enum.StrEnum):
    """How a verdict reads at a glance."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    NONE = "none"
    """No evidence of anything."""


class Verdict(Struct, frozen=True, kw_only=True):
    """One headline, and the sentences that carry it."""

    tone: Tone
    headline: str
    sentences: tuple[str, ...]


class Evidence(Struct, frozen=True, kw_only=True):
    """What a verdict is spoken on."""

    currency: str
    days: float
    net: float
    growth: float
    trades: int
    tries: int
    is_made_up: bool
    """A simulated market, or fills that no market gives."""
    sharpe: Figure
    """With the wider of its intervals at either end."""
    expectancy: Figure
    deflated: Figure
    days_needed: Figure
    costs: Costs
    benchmark: Benchmark | None
    paths: Paths
    targets: tuple[Target, ...]


def verdict(seen: Evidence) -> Verdict:
    """What an honest reader would say."""
    tone, headline = _headline(seen)
    sentences = [_earned(seen), _luck(seen), _costs(seen), _future(seen), _targets(seen.targets)]
    return Verdict(tone=tone, headline=headline, sentences=tuple(filter(None, sentences)))


def _headline(seen: Evidence) -> tuple[Tone, str]:
    if seen.is_made_up:
        return Tone.NONE, "No evidence of anything: the market, or the fills, are made up"
    if seen.sharpe.value is None and seen.expectancy.value is None:
        return Tone.NONE, "Too little data for any claim"
    if seen.sharpe.value is None:
        return _few_days(seen)
    judged = seen.sharpe
    if judged.high is not None and judged.high < 0:
        return Tone.BAD, "It loses, and that is no bad luck"
    if judged.low is not None and judged.low > 0:
        deflated = seen.deflated.value
        if deflated is not None and deflated < SURE:
            return Tone.UNSURE, f"It earned, but the best of {seen.tries} tries may earn as much by luck"
        return Tone.GOOD, "It earned more than luck explains, on this one path"
    if seen.net < 0:
        return Tone.BAD, "It lost; an edge cannot be told from luck"
    return Tone.UNSURE, "It earned, but cannot be told from luck"


def _few_days(seen: Evidence) -> tuple[Tone, str]:
    """Round trips of a few days are not independent enough for more than this."""
    if seen.net > 0:
        return Tone.UNSURE, "It earned, on too few days for a claim"
    if seen.net < 0:
        return Tone.BAD, "It lost, on too few days for more than that"
    return Tone.NONE, "It earned nothing"


def _judged(seen: Evidence) -> Figure:
    """The Sharpe ratio, or where there are too few days, the mean of a round trip."""
    return seen.sharpe if seen.sharpe.value is not None else seen.expectancy


def _earned(seen: Evidence) -> str:
    done = "earned" if seen.net > 0 else "lost" if seen.net < 0 else "neither earned nor lost"
    amount = f" {money(abs(seen.net))} {seen.currency} ({percent(seen.growth, sign=True)})" if seen.net else ""
    text = f"In {_days(seen.days)} it {done}{amount} after fees and funding"
    if seen.benchmark is not None:
        did = "gained" if seen.benchmark.growth >= 0 else "lost"
        text += f"; fully invested holding {did} {percent(abs(seen.benchmark.growth))}, cash 0 %"
    return f"{text}."


def _luck(seen: Evidence) -> str:
    judged = _judged(seen)
    if judged.value is None:
        there = f"{seen.sharpe.n} daily returns and {seen.trades} round trips"
        return f"There are {there}; a claim needs {LEAST_DAYS} of the one or {LEAST_TRADES} of the other."
    name = "Its Sharpe ratio" if judged is seen.sharpe else f"Its mean round trip, in {seen.currency},"
    text = f"{name} is {ratio(judged.value)}"
    if judged.low is None or judged.high is None:
        return f"{text}."
    text += f", and with 95 % confidence between {ratio(judged.low)} and {ratio(judged.high)}"
    if judged.low <= 0 <= judged.high:
        text += ", which holds 0"
    if seen.tries > 1 and seen.deflated.value is not None:
        chance = percent(seen.deflated.value)
        text += f"; after {seen.tries:,} tries the probability of any skill is {chance} ({seen.deflated.caveat})"
    needed = seen.days_needed.value
    if judged is seen.sharpe and needed is not None and needed > judged.n:
        text += f"; at this ratio {needed:,.0f} days would be needed, there are {judged.n}"
    return f"{text}."


def _costs(seen: Evidence) -> str:
    costs = seen.costs
    paid = costs.fees - costs.funding
    if not costs.traded and not costs.fees:
        return ""
    if not paid:
        return (
            "It paid nothing for trading, which no venue offers: the result says nothing about costs."
            if seen.net
            else ""
        )
    if costs.gross <= 0:
        return f"Prices alone lost {money(-costs.gross)}; costs took {money(paid)} more."
    share = paid / costs.gross
    if share >= 1:
        return f"Prices alone earned {money(costs.gross)}, and costs took {money(paid)}: more than all of it."
    return f"Costs took {percent(share)} of the {money(costs.gross)} that prices alone earned." if paid > 0 else ""


def _future(seen: Evidence) -> str:
    bad, deep = seen.paths.drawdown_bad, seen.paths.deep_drawdown
    if bad.value is None or deep.value is None:
        return ""
    share = percent(deep.value) if deep.value else "none"
    return (
        f"If these days came again in another order, one run in twenty would fall by more than {percent(bad.value)}; "
        f"{share} would fall by the 25 % that the mission allows."
    )


def _targets(targets: tuple[Target, ...]) -> str:
    by: dict[Standing, list[str]] = {}
    for each in targets:
        by.setdefault(each.standing, []).append(each.name)
    said = [f"{', '.join(by[standing])}: {standing.value}" for standing in Standing if standing in by]
    return f"Of the mission's targets, never promised: {'; '.join(said)}."


def _days(days: float) -> str:
    if days >= 2:
        return f"{days:,.0f} days"
    return f"{days * 24:.1f} hours" if days >= 1 / 12 else f"{days * 1440:.0f} minutes"
