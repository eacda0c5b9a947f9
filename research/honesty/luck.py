"""Is it luck? A market of noise, the best few trades, and parameters a little to the side."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from statistics import mean, median, stdev
from typing import Any, Literal, TypeVar, get_origin

from domain.errors import DataError, StrategyError
from domain.strategy import Params
from research.honesty import worlds
from research.honesty.case import Case, Change
from research.honesty.verdict import Evidence, Finding, Light

T = TypeVar("T")
NOISES = 8
NOISE_BARS = 3_000
LEAST_FILLS = 40
"""Fills over all markets of noise below which they say nothing."""
SURE = 5.0
"""Standard errors above nothing at which earning on noise is no chance."""
LEAST_TRADES = 20
STEPS = (0.8, 0.9, 1.1, 1.2)
UNITS = ("interval_s", "qty", "max_position", "strength", "notional", "max_units")
"""Parameters that say how much or in which bars, not what."""
JOINT = 8
MOST_RUNS = 60


def noise(case: Case, markets: int = NOISES) -> Finding:
    """On shuffled bars, half of them upside down, nobody earns anything before fees."""
    name = "noise"
    if not case.is_bars:
        return Finding(check=name, light=Light.GREY, claim="there is no market of noise made of books or trades")
    earned, fills = [], 0
    for seed in range(markets):
        run = case.run(Change(edit=worlds.noise(case.instruments, seed, NOISE_BARS)))
        earned.append(run.gross)
        fills += len(run.fills)
    if fills < LEAST_FILLS:
        claim = f"insufficient data: n = {fills} fills in {markets} markets of noise, at least {LEAST_FILLS} needed"
        return Finding(check=name, light=Light.GREY, claim=claim)
    spread = stdev(earned) / sqrt(markets)
    score = mean(earned) / spread if spread else 0.0
    figures = {
        "markets": markets,
        "fills": fills,
        "gross_mean": mean(earned),
        "standard_error": spread,
        "sigmas": score,
    }
    text = f"before fees {mean(earned):+,.2f} ± {spread:,.2f} on {markets} markets of shuffled bars ({fills} fills)"
    if score < SURE:
        return Finding(check=name, light=Light.GREEN, claim=f"it earns nothing on noise: {text}", figures=figures)
    return Finding(
        check=name,
        light=Light.RED,
        claim=f"it earns on noise, where there is nothing to earn: {text}",
        advice="Its fills are too good: look for fills at prices that were over when it decided (same_close, a limit "
        "at the edge of a bar), or for knowledge of the next bar.",
        evidence=(Evidence(first_in="expected", first="0", second_in="found", second=f"{mean(earned):+,.2f}"),),
        figures=figures,
    )


def few(case: Case) -> Finding:
    """How much of the profit the best trades make."""
    name = "few trades"
    run = case.plain()
    gains = sorted((float(trade.pnl) for trade in run.result.trades), reverse=True)
    total = sum(gains)
    if len(gains) < LEAST_TRADES:
        claim = f"insufficient data: n = {len(gains)} round trips, at least {LEAST_TRADES} needed"
        return Finding(check=name, light=Light.GREY, claim=claim)
    if total <= 0:
        claim = f"its {len(gains)} round trips lose {total:,.2f} together: there is no profit to hang on a few"
        return Finding(check=name, light=Light.GREEN, claim=claim, figures={"trades": len(gains), "pnl": total})
    needed = next(at for at in range(1, len(gains) + 1) if total - sum(gains[:at]) <= 0)
    top = max(1, len(gains) // 20)
    figures = {
        "trades": len(gains),
        "pnl": total,
        "best_for_all": needed,
        "share_of_best_5_percent": sum(gains[:top]) / total,
    }
    text = f"without its best {needed} of {len(gains)} round trips the profit is gone"
    if needed <= max(1, len(gains) // 50):
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=text,
            advice="That many lucky trades are no evidence: test on more data and other instruments.",
            evidence=(
                Evidence(
                    first_in="all",
                    first=f"{total:+,.2f}",
                    second_in="without",
                    second=f"{total - sum(gains[:needed]):+,.2f}",
                ),
            ),
            figures=figures,
        )
    return Finding(check=name, light=Light.GREEN, claim=text, figures=figures)


def parameters(case: Case, most: int = MOST_RUNS) -> Finding:
    """Profit with each number 10 and 20 % to either side, and with all of them moved at random."""
    name = "parameters"
    base = case.plain().pnl
    if base <= 0:
        claim = f"it loses ({base:+,.2f}): there is no profit that a parameter could be lucky for"
        return Finding(check=name, light=Light.GREEN, claim=claim)
    around: dict[str, float] = {}
    for label, params in thinned(list(neighbours(case)), most):
        try:
            around[label] = case.run(Change(params=params)).pnl
        except (StrategyError, DataError):
            continue  # not a value that the parameter can have
    if not around:
        return Finding(check=name, light=Light.GREEN, claim="it has no number that could have been fitted")
    winners = sum(pnl > 0 for pnl in around.values()) / len(around)
    middle = median(around.values())
    worst = min(around, key=lambda label: around[label])
    figures = {"neighbours": len(around), "profitable_share": winners, "median_pnl": middle, "pnl": base}
    text = f"{winners:.0%} of {len(around)} neighbours earn, in the middle {middle:+,.2f} against {base:+,.2f}"
    if winners >= 0.7 and middle >= base / 4:
        return Finding(check=name, light=Light.GREEN, claim=text, figures=figures)
    return Finding(
        check=name,
        light=Light.RED if len(around) >= JOINT and winners < 0.2 else Light.AMBER,
        claim=f"its parameters sit on a peak: {text}",
        advice="Choose parameters from a plateau (moondev optimise shows the surface), not the best point.",
        evidence=(
            Evidence(
                first_in="as given", first=f"{base:+,.2f}", second_in=f"with {worst}", second=f"{around[worst]:+,.2f}"
            ),
        ),
        figures=figures,
    )


def thinned(all_of: list[T], most: int) -> list[T]:
    """At most so many of a list, evenly spread."""
    if len(all_of) <= most:
        return all_of
    return [all_of[at * len(all_of) // most] for at in range(most)]


def neighbours(case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    """Parameters a step to the side, with their names: one by one, then all together."""
    import random

    model = type(case.fresh().params)
    values = {name: value for name, value in case.fresh().params.model_dump().items() if is_fitted(model, name, value)}
    for step in STEPS:
        for name, value in values.items():
            moved = shifted(value, step)
            if moved != value:
                yield f"{name}={moved:g}", {name: moved}
    rng = random.Random(0)
    for _ in range(JOINT if len(values) > 1 else 0):
        together = {name: shifted(value, rng.choice(STEPS)) for name, value in values.items()}
        yield ", ".join(f"{name}={value:g}" for name, value in together.items()), together


def is_fitted(model: type[Params], name: str, value: Any) -> bool:  # noqa: ANN401 - of any parameter
    """Whether a parameter is a number that somebody may have searched for."""
    kind = model.model_fields[name].annotation
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value
    return bool(is_number) and name not in UNITS and get_origin(kind) is not Literal


def shifted(value: float, factor: float) -> float:
    """A number times a factor; a whole number stays whole and moves at least one."""
    if isinstance(value, int):
        moved = round(value * factor)
        return moved if moved != value else value + (1 if factor > 1 else -1)
    return float(f"{value * factor:.6g}")
