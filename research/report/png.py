"""A run as a picture for a phone: the verdict, the curve with its drawdown, and the figures that matter."""

from __future__ import annotations

import io
from textwrap import wrap
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from research.measures import Figure, Measures, record_of
from research.measures.curve import Curve, curve_of, under_high
from research.measures.figure import LEAST
from research.measures.verdict import Tone
from research.report import page, plot, ticks, words
from research.result import Result

WIDTH_IN: Final = 4.2
"""As wide as a phone: what is 9 points here is read as 9 points there."""
HEIGHT_IN: Final = 7.0
DPI: Final = 240
LEFT, RIGHT = 0.035, 0.80
SMALL, MEDIUM, LARGE, HUGE = 8.0, 9.0, 11.0, 22.0
PAPER, RULES, TEXT, FAINT = "#0f141b", "#2a323d", "#e8edf2", "#9aa7b4"
GAIN, LOSS, WARN = "#56b4e9", "#e69f00", "#f0e442"
INKS: Final = {Tone.GOOD: GAIN, Tone.BAD: LOSS, Tone.UNSURE: TEXT, Tone.NONE: WARN}
STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "text.color": TEXT,
    "text.parse_math": False,
    "axes.edgecolor": RULES,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
}


def picture(result: Result, measures: Measures) -> bytes:
    """The picture as PNG."""
    with mpl.rc_context(STYLE):
        canvas = Canvas(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI)
        FigureCanvasAgg(canvas)
        below = _heading(canvas, result, measures)
        _curves(canvas, result, below)
        _figures(canvas, result, measures)
        image = io.BytesIO()
        canvas.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
        return image.getvalue()


def _heading(canvas: Canvas, result: Result, m: Measures) -> float:
    """Title, profit and verdict; returns how many inches they took."""
    at = 0.13

    def put(text: str, size: float, ink: str = TEXT, weight: str = "normal") -> None:
        nonlocal at
        canvas.text(LEFT, 1 - at / HEIGHT_IN, text, size=size, color=ink, weight=weight, va="top", linespacing=1.3)
        at += size * 1.42 / 72 * (text.count("\n") + 1)

    put(_cut(page.title(result), 40), LARGE, weight="bold")
    put(f"{words.moment(result.first_ns)} to {words.moment(result.last_ns)} UTC", SMALL, FAINT)
    at += 0.04
    ink = GAIN if m.pnl > 0 else LOSS if m.pnl < 0 else TEXT
    put(words.percent(m.growth, sign=True), HUGE, ink, "bold")
    paid = f"{words.money(m.pnl, sign=True)} {words.name(result.currency, 12)} after fees and funding"
    put(
        paid if m.benchmark is None else f"{paid}; holding {words.percent(m.benchmark.growth, sign=True)}", SMALL, FAINT
    )
    at += 0.05
    put("\n".join(wrap(m.verdict.headline, 46)), MEDIUM, INKS[m.verdict.tone], "bold")
    for text in page.warnings(result)[:2]:
        put("\n".join(wrap(text, 58)[:2]), SMALL, WARN)
    return at


def _curves(canvas: Canvas, result: Result, below_in: float) -> None:
    """Equity above, the drawdown below it."""
    record = record_of(result)
    curve = curve_of(record.samples)
    top, bottom = 1 - (below_in + 0.1) / HEIGHT_IN, 2.62 / HEIGHT_IN
    split = bottom + (top - bottom) * 0.27
    end = GAIN if float(curve.values[-1]) >= record.deposit else LOSS
    above = canvas.add_axes((LEFT, split + 0.012, RIGHT - LEFT, top - split - 0.012))
    _line(above, curve, end, record.deposit)
    above.axhline(record.deposit, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)))
    under = canvas.add_axes((LEFT, bottom, RIGHT - LEFT, split - bottom - 0.012))
    _line(under, Curve(times=curve.times, values=-100 * under_high(curve.values)), LOSS, 0.0)
    under.set_ylim(top=0.0)
    for axes, unit in ((above, ""), (under, " %")):
        _dress(axes, unit)
    marks = ticks.times(int(curve.times[0]), int(curve.times[-1]), 4)
    under.set_xticks([_x(at) for at, _ in marks], [text for _, text in marks], size=SMALL)


def _line(axes: Axes, curve: Curve, ink: str, base: float) -> None:
    seen = plot.thin(curve)
    times = [_x(at) for at in seen.times.tolist()]
    axes.fill_between(times, seen.values, base, color=ink, alpha=0.16, linewidth=0)
    axes.plot(times, seen.values, color=ink, linewidth=1.4)
    if len(times) > 1:
        axes.set_xlim(times[0], times[-1])


def _x(ts_ns: int) -> float:
    return ts_ns / 8.64e13


def _dress(axes: Axes, unit: str) -> None:
    low, high = axes.get_ylim()
    marks = [mark for mark in ticks.values(low, high, 4) if low <= mark <= high]
    places = ticks.digits(marks)
    axes.yaxis.tick_right()
    axes.set_yticks(marks, [f"{mark:,.{places}f}{unit}".replace("-", words.MINUS) for mark in marks], size=SMALL)
    axes.tick_params(length=0, pad=4)
    axes.grid(visible=True, axis="y", color=RULES, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _figures(canvas: Canvas, result: Result, m: Measures) -> None:
    """The figures that matter, each with its interval or why there is none."""
    rows = [
        ("Sharpe ratio", m.sharpe, "ratio"),
        ("Win rate", m.trips.win_rate, "percent"),
        ("Profit factor", m.trips.profit_factor, "ratio"),
    ]
    lines = [
        (name, words.value_of(found, form), words.interval_of(found, form) or _why(found)) for name, found, form in rows
    ]
    fall = m.drawdowns.deepest
    lines.insert(
        0, ("Drawdown", words.percent(fall.fraction), f"longest {m.drawdowns.longest_days:,.1f} days below a high")
    )
    lines.append(
        (
            "Round trips",
            words.count(m.trips.count),
            f"in the market {words.percent(m.exposure.time_in_market)} of the time",
        )
    )
    lines.append(
        (
            "Costs",
            words.money(m.costs.fees - m.costs.funding),
            f"prices alone {words.money(m.costs.gross, sign=True)}",
        )
    )
    lines.append(("Targets", *_targets(m)))
    for n, (name, value, note) in enumerate(lines):
        at = (2.28 - n * 0.245) / HEIGHT_IN
        canvas.text(LEFT, at, name, size=MEDIUM, color=FAINT, va="top")
        canvas.text(0.44, at, value, size=MEDIUM, weight="bold", va="top", ha="right")
        canvas.text(0.47, at, note, size=SMALL, color=FAINT, va="top")
    foot = f"run {result.provenance.run_id} · {result.data_kind}, {result.fill_model} · the past promises nothing"
    canvas.text(LEFT, 0.09 / HEIGHT_IN, foot, size=SMALL - 1, color=FAINT, va="bottom")


def _targets(m: Measures) -> tuple[str, str]:
    met = [each.name for each in m.targets if each.standing.name == "MET"]
    return f"{len(met)} of {len(m.targets)}", ", ".join(met) + " met" if met else "none met"


def _why(found: Figure) -> str:
    """What there is in place of an interval."""
    if found.value is None and found.n < LEAST[found.of]:
        return f"insufficient data: n = {found.n}, {LEAST[found.of]} needed"
    return _cut(found.caveat, 40)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
