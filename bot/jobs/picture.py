"""The curve of a backtest's equity, with the fall below it, as a sheet for the drawing process."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bot.charts.common import gain, lines, percent, period, short
from bot.charts.sheet import Ink, Line, Panel, Sheet, Unit

MOST_POINTS = 1_500
"""A phone shows no more; of each stretch the lowest and the highest are kept."""


class Output(Struct, frozen=True, kw_only=True):
    """What of a backtest's result file is drawn."""

    strategy: str
    instrument: str
    data_kind: str
    deposit: Decimal
    first_ns: int
    last_ns: int
    fill_model: str
    samples: list[tuple[int, Decimal]]
    trades: list[Any]


def sheet_of(file: Path, zone: str = "UTC") -> Sheet:
    """The picture of a result file. Raises `OSError`, and `ValueError` for a file that is none."""
    try:
        output = msgspec.json.decode(file.read_bytes(), type=Output)
    except (msgspec.DecodeError, InvalidOperation) as error:
        raise ValueError(str(error)) from None
    is_made_up = output.data_kind == "simulated"
    kind = "SIMULATED market" if is_made_up else f"{output.data_kind}, {output.fill_model}"
    honest = "A made-up market: no evidence of anything" if is_made_up else "The past promises nothing"
    base = Sheet(
        title=f"Backtest: {output.strategy} on {output.instrument.partition('-')[0]}",
        figure="No data",
        subtitle=f"{period(output.first_ns, output.last_ns, zone)}\n{kind}",
        footer="\n".join(lines(f"{honest} · after fees and funding · {len(output.trades)} round trips", 62)),
        zone=zone,
        from_ns=output.first_ns,
        to_ns=output.last_ns,
    )
    if len(output.samples) < 2:
        return msgspec.structs.replace(base, empty="too short for a curve: equity was sampled less than twice")
    falls = _falls(output.samples)
    deepest = min(fall for _, fall in falls)
    net = output.samples[-1][1] - output.deposit
    share = f" ({percent(net / output.deposit, sign=True)})" if output.deposit else ""
    worth = Line(*_thin(output.samples), label=short(output.samples[-1][1]))
    fall = Line(*_thin(falls), ink=Ink.BAD, fill_to=0.0, label=percent(falls[-1][1]) if falls[-1][1] else "0%")
    return msgspec.structs.replace(
        base,
        figure=f"{gain(net)}{share}",
        subtitle=f"deepest fall {percent(deepest) if deepest else '0%'}\n{base.subtitle}",
        is_good=None if not net else net > 0,
        panels=[
            Panel(elements=[worth], unit=Unit.MONEY, height=2.6),
            Panel(elements=[fall], unit=Unit.PERCENT, height=1, zero=True, title="Drawdown"),
        ],
    )


def _falls(samples: list[tuple[int, Decimal]]) -> list[tuple[int, Decimal]]:
    """How far equity was below its highest before, as a fraction of that, negative."""
    highest, falls = samples[0][1], []
    for ts_ns, equity in samples:
        highest = max(highest, equity)
        falls.append((ts_ns, (equity - highest) / highest if highest > 0 else Decimal(0)))
    return falls


def _thin(points: list[tuple[int, Decimal]]) -> tuple[list[int], list[float]]:
    kept = thinned(points)
    return [ts_ns for ts_ns, _ in kept], [float(value) for _, value in kept]


def thinned(points: list[tuple[int, Decimal]]) -> list[tuple[int, Decimal]]:
    """Of many points the lowest and highest of each stretch, and both ends."""
    if not points:
        return []
    stretch = max(1, math.ceil(len(points) / (MOST_POINTS / 2)))
    kept = {points[0], points[-1]}
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        kept |= {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
    return sorted(kept)
