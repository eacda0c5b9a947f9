"""A drawing as plain data: what `paint` needs and nothing that it would have to look up. Times are nanoseconds UTC."""

from __future__ import annotations

import enum
from typing import TypeAlias

from msgspec import Struct

MINUS = "\N{MINUS SIGN}"
"""As wide as a plus, which a hyphen is not."""


class Ink(enum.StrEnum):
    """What a colour stands for; the painter knows which it is (Okabe and Ito's, told apart by the colour-blind)."""

    MAIN = "main"
    GOOD = "good"
    BAD = "bad"
    BUY = "buy"
    SELL = "sell"
    LIMIT = "limit"
    QUIET = "quiet"
    SECOND = "second"
    THIRD = "third"
    FOURTH = "fourth"
    FIFTH = "fifth"


class Unit(enum.StrEnum):
    """How the numbers of an axis are written."""

    MONEY = "money"
    PRICE = "price"
    PERCENT = "percent"
    """Of fractions: 0.05 is 5 %."""


class Line(Struct, frozen=True, tag="line"):
    """A curve; NaN breaks it. `fill_to` fills the space between it and that value; `label` stands at its end."""

    times: list[int]
    values: list[float]
    ink: Ink = Ink.MAIN
    label: str = ""
    fill_to: float | None = None
    dashed: bool = False
    stepped: bool = False
    thin: bool = False


class Candles(Struct, frozen=True, tag="candles"):
    """Bars by their open time; rising ones are hollow, falling ones filled."""

    times: list[int]
    interval_ns: int
    opens: list[float]
    highs: list[float]
    lows: list[float]
    closes: list[float]


class Marks(Struct, frozen=True, tag="marks"):
    """Points on the price: our fills, `sizes` from 0 to 1. Buys point up from below, sells down from above."""

    times: list[int]
    values: list[float]
    sizes: list[float]
    ink: Ink


class Level(Struct, frozen=True, tag="level"):
    """A price or limit that stands: a horizontal line from `since_ns` on, named at the right."""

    value: float
    label: str
    ink: Ink = Ink.LIMIT
    since_ns: int = 0


class Moment(Struct, frozen=True, tag="moment"):
    """Something that happened at a time: a vertical line, named near the bottom, `level` lines above it."""

    ts_ns: int
    label: str
    level: int = 0
    ink: Ink = Ink.QUIET


class Span(Struct, frozen=True, tag="span"):
    """A stretch of time that is told apart: no data, or the deepest fall."""

    from_ns: int
    to_ns: int
    label: str
    ink: Ink = Ink.QUIET


class Note(Struct, frozen=True, tag="note"):
    """Words at a point of the drawing; `above` says on which side of it."""

    ts_ns: int
    value: float
    text: str
    above: bool = True
    ink: Ink = Ink.MAIN


class Bands(Struct, frozen=True, tag="bands"):
    """Amounts by name, stacked over time: positive ones up from zero, negative ones down."""

    times: list[int]
    names: list[str]
    values: list[list[float]]
    """One list for each name."""
    inks: list[Ink]


Element: TypeAlias = Line | Candles | Marks | Level | Moment | Span | Note | Bands


class Panel(Struct, frozen=True, kw_only=True):
    """One pair of axes; panels of a sheet share the time axis. `title` names the panel where there are several."""

    elements: list[Element]
    unit: Unit
    title: str = ""
    height: float = 1.0
    zero: bool = False
    """The axis reaches zero."""


class Rows(Struct, frozen=True, kw_only=True):
    """Bars by name instead of a curve, with their words at the end of each."""

    names: list[str]
    values: list[float]
    words: list[str]


class Sheet(Struct, frozen=True, kw_only=True):
    """A whole picture. With `empty` there is nothing to draw, and it says why."""

    title: str
    figure: str
    """The one figure that the picture is about, drawn large."""
    subtitle: str
    footer: str
    zone: str = "UTC"
    from_ns: int = 0
    to_ns: int = 0
    panels: list[Panel] = []
    rows: Rows | None = None
    empty: str = ""
    is_good: bool | None = None
    """How the figure is coloured: gain, loss, or neither."""
