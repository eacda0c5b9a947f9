"""Every picture can be drawn, whatever the data, and nothing covers anything else at the scale."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from bot.charts.elements import spread
from bot.charts.paint import _number, paint
from bot.charts.sheet import (
    Bands,
    Candles,
    Element,
    Ink,
    Level,
    Line,
    Marks,
    Moment,
    Note,
    Panel,
    Rows,
    Sheet,
    Span,
    Unit,
)

SECOND_NS = 1_000_000_000
NAN = math.nan


def drawn(*elements: Element, unit: Unit = Unit.MONEY, **fields) -> bytes:
    times = [0, 100 * SECOND_NS]
    panels = [Panel(elements=list(elements), unit=unit)]
    return paint(
        Sheet(**{"title": "T", "figure": "1", "subtitle": "a\nb", "footer": "f", "from_ns": times[0], "to_ns": times[1],
                 "panels": panels, **fields})
    )  # fmt: skip


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [Line([], [])],
        [Line([5], [1.0], label="1")],
        [Line([5, 6, 7], [NAN, 2.0, NAN], fill_to=0.0, label="x")],
        [Line([5, 6], [0.0, 0.0])],
        [Line([5, 6], [-1e12, 1e12], label="1,000,000,000,000")],
        [Line([5, 6], [1e-9, 3e-9], label="0.000000003")],
        [Candles([0], SECOND_NS, [1.0], [2.0], [0.5], [1.5]), Marks([0], [1.0], [1.0], Ink.BUY)],
        [Level(1.0, f"$x_{n}^2$", Ink.BUY) for n in range(9)],
        [Moment(3, "<b>&"), Span(0, 90 * SECOND_NS, "no data"), Note(3, 1.0, "\N{PILE OF POO} 高")],
        [Bands([0, 1], ["A", "B"], [[1.0, -2.0], [0.0, 3.0]], [Ink.MAIN, Ink.SECOND])],
    ],
)
@pytest.mark.filterwarnings("ignore:Glyph .* missing:UserWarning")
def test_whatever_the_data_there_is_a_picture(elements):
    assert drawn(*elements).startswith(b"\x89PNG")


def test_bars_by_name_and_emptiness_are_pictures_too():
    rows = Rows(names=["a", "b"], values=[-1.0, 0.0], words=["-1", "0"])
    assert drawn(rows=rows).startswith(b"\x89PNG")
    assert drawn(empty="Nothing was traded or held in this period.").startswith(b"\x89PNG")


def test_figures_at_the_scale_do_not_cover_each_other_and_stay_on_it():
    sizes = [0.1] * 5
    placed = spread([0.5, 0.5, 0.51, 0.52, 0.99], sizes)
    assert placed == sorted(placed)
    assert all(b - a > 0.098 for a, b in pairwise(placed))
    assert all(0 <= at <= 1 for at in spread([0.97, 0.98, 0.99, 1.0], sizes[:4]))
    assert spread([], []) == []


def test_a_scale_is_written_as_short_as_it_can_be_read():
    minus = "\N{MINUS SIGN}"
    assert _number(61_500.0, Unit.PRICE, 900.0) == "61,500"
    assert _number(0.000123, Unit.PRICE, 0.00002) == "0.000123"
    assert _number(-0.005, Unit.PERCENT, 0.02) == f"{minus}0.5%"
    assert _number(1_250_000.0, Unit.MONEY, 60_000.0) == "1.25M"
    assert _number(-120_000.0, Unit.MONEY, 90_000.0) == f"{minus}120k"
