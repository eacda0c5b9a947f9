"""What did it bring along? Numbers of this very tape in its file and parameters, and more than people choose."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import isclose, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.instrument import Instrument
from domain.market import Bar
from research.honesty.case import Case
from research.honesty.folded import TOO_MUCH, folded
from research.honesty.verdict import Evidence, Finding, Light

MANY = 100
"""Numbers, or characters, in one value of a file or parameter above which it is asked where they come from."""
FEW = 20
"""Numbers below which it is chance when they are on the tape."""
WORD_BITS = 64
"""Bits of a whole number above which it is a table of bits."""
ROOM_BITS, LEAST_BITS, BITS_A_DECISION = 256, 96, 4
"""Bits of all numbers and odd texts of a file above which it may hold where to trade, however much it trades; below
which it is not asked; and so many for each decision, where it decides seldom. Ours hold 128 at most."""
LONGEST_WORD = 40
"""Letters above which a name or a word of a text is no word."""
MOST_MIXED = 6
"""Changes between digits and others in a word, such as a date has."""
LEAST_CODED, FEW_LETTERS = 6, 3
"""A word so long of so few letters is written in them as a number is in digits."""
NINE = 9
"""Decimals to which prices are compared."""
Floats = NDArray[np.float64]


def find(case: Case) -> Finding:
    """Numbers in the file and the parameters that come from the tape: its prices, or figures of all of it."""
    name = "brought along"
    tapes = [columns(case.bars(), instrument) for instrument in case.instruments.values()]
    made = list(put_together(case))
    lists = [(where, list(numbers(value))) for where, value in made if not isinstance(value, int | float)]
    for where, values in (*carried(case), *lists):
        on_tape = max(_on_tape(values, prices) for prices in tapes) if len(values) >= FEW else 0.0
        if on_tape > 0.8:
            return _brought(where, f"{len(values)} numbers, {on_tape:.0%} of them prices of this tape", values)
    sums = [(where, abs(float(value))) for where, value in made if isinstance(value, int | float) and _is_odd(value)]
    for where, value in dict.fromkeys((*constants(case), *sums)):
        figure = next(filter(None, (_figure_of(value, prices) for prices in tapes)), "")
        if figure:
            return Finding(
                check=name,
                light=Light.RED,
                claim=f"{where} is {value:.10g}, {figure} of the whole tape: nobody knew that before it ended",
                advice="Let decide() follow it bar by bar (RollingStd, Ema), or take it from data before the test.",
                evidence=(Evidence(first_in=where, first=f"{value:.10g}", second_in="tape", second=figure),),
            )
    for where, held in unexplained(case, made):
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"{where} holds {held}: nothing shows where they come from",
            advice="Compute them bar by bar from the view. If they were found by looking at data, test on other.",
        )
    claim = "no prices or figures of the tape are in its file or parameters"
    if not case.bars():
        claim = "no table is in its file or parameters; with prices of books and trades they are not compared"
    return Finding(check=name, light=Light.GREEN, claim=claim)


def unexplained(case: Case, made: Sequence[tuple[str, Any]] = ()) -> Iterator[tuple[str, str]]:
    """Places that hold so much that somebody may have found it on a tape, and how much."""
    for where, values in carried(case):
        if len(values) >= MANY:
            yield where, f"{len(values)} values"
    tree = ast.parse(case.loaded.source)
    whole = [(f"line {n.lineno} of its file", n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    whole += [(f"parameter `{name}`", value) for name, value in case.fresh().params.model_dump().items()]
    for where, value in (*whole, *((where, odd_part(value)) for where, value in made if isinstance(value, int))):
        if isinstance(value, int) and value.bit_length() > WORD_BITS:
            yield f"the whole number in {where}", f"{value.bit_length()} values"
    if where := next((where for where, value in made if value is TOO_MUCH), ""):
        yield f"{where}, where more is computed than can be followed,", "what it likes"
    odd = sum(1 for where, _ in constants(case) if where.startswith("line"))
    if odd >= FEW:
        yield "its file, in numbers of four digits and more,", f"{odd} values"
    decisions = len(case.plain().trace.decisions)
    bits = information(tree) + sum(map(bits_of, given(case)))
    if bits > min(ROOM_BITS, max(LEAST_BITS, BITS_A_DECISION * decisions)):
        yield (
            "its file, with the parameters given, in all numbers and odd texts,",
            f"{bits:.0f} bits for {decisions} decisions",
        )


def odd_part(value: int) -> int:
    """A whole number without the powers of ten and of two in it: nobody hides anything in those."""
    while value and not value % 10:
        value //= 10
    return value // (value & -value) if value else 0


def given(case: Case) -> Iterator[object]:
    """What parameters hold that is not their default."""
    values = case.fresh().params
    fields = type(values).model_fields
    for name, value in values.model_dump().items():
        if value != fields[name].default:
            yield from _leaves(value)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *_leaves(item))
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def information(tree: ast.AST) -> float:
    """About how many bits somebody has chosen: of each number its digits, of texts and names what is no word."""
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    silent |= {
        id(keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in {"description", "title"}
    }
    found = 0.0
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in silent:
            found += bits_of(node.value)
    return found + sum(map(_bits_of_name, sorted(_names(tree))))


def bits_of(value: object) -> float:
    """Of a literal: log2 of its significant digits, of a text of what is no word, of bytes all."""
    if isinstance(value, bool):
        return 0.0
    if isinstance(value, int):
        while value and not value % 10:
            value //= 10
        return log2(1 + abs(value))
    if isinstance(value, float):
        digits = repr(abs(value)).partition("e")[0].replace(".", "").strip("0")
        return log2(1 + int(digits)) if digits.isdecimal() else 0.0
    if isinstance(value, bytes):
        return 8.0 * len(value)
    return sum(map(_bits_of_name, value.split())) if isinstance(value, str) else 0.0


def _bits_of_name(word: str) -> float:
    """Of a word its digits beyond two; all of it where it is too long, of few letters, or mixed with digits."""
    digits = sum(char.isdigit() for char in word)
    odd = sum(not char.isalnum() and char not in "_-.,:;()'/%" for char in word)
    mixed = sum(before.isdigit() != after.isdigit() for before, after in pairwise(word))
    if len(word) > LONGEST_WORD or mixed > MOST_MIXED:
        return 4.0 * len(word)
    if len(word) >= LEAST_CODED and len(set(word)) <= FEW_LETTERS:
        return log2(len(set(word))) * len(word)
    return log2(10) * max(0, digits - 2) + 4.0 * max(0, odd - 4)


def _names(tree: ast.AST) -> set[str]:
    """Everything that a file gives a name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            found.add(node.arg)
    return found


def put_together(case: Case) -> Iterator[tuple[str, Any]]:
    """Numbers, and what holds numbers, that the file computes from its literals and parameters."""
    cls = case.loaded.strategy
    params = case.fresh().params.model_dump()
    behind = {name: value for each in reversed(cls.__mro__) for name, value in vars(each).items()} | params
    for line, value in folded(case.loaded.source, cls.decide.__globals__, behind):
        where = f"line {line} of its file" if line else "what its file puts together"
        if isinstance(value, complex):
            yield from ((where, part) for part in (value.real, value.imag))
        elif value is not None and not isinstance(value, bool):
            yield where, value


def _brought(where: str, what: str, values: list[float]) -> Finding:
    return Finding(
        check="brought along",
        light=Light.RED,
        claim=f"{where} holds {what}",
        advice="Take the prices out: a strategy that knows the tape is not tested by it.",
        evidence=(Evidence(first_in=where, first=", ".join(f"{value:g}" for value in values[:5]) + " ..."),),
    )


def columns(tape: Sequence[Bar], instrument: Instrument) -> dict[str, Floats]:
    """Columns of the bars of an instrument, in natural units."""
    bars = [bar for bar in tape if bar.instrument == instrument.id]
    rows = np.array([(b.open, b.high, b.low, b.close, b.volume) for b in bars], dtype=np.float64).reshape(-1, 5)
    scales = (instrument.price_scale,) * 4 + (instrument.qty_scale,)
    return dict(zip(("open", "high", "low", "close", "volume"), (rows / scales).T, strict=True))


def carried(case: Case) -> Iterator[tuple[str, list[float]]]:
    """Collections of numbers (or long texts, a number per character) in file and parameters, with their places."""
    yield from _collections(case.loaded.source)
    for name, value in case.fresh().params.model_dump().items():
        values = list(numbers(value))
        if len(values) > 1:
            yield f"parameter `{name}`", values


def numbers(value: Any) -> Iterator[float]:  # noqa: ANN401 - whatever a parameter holds
    """Every number in a value; of a text that holds numbers those, else one for each character."""
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, str):
        yield from _of_text(value)
    elif isinstance(value, bytes):
        yield from map(float, value)
    elif isinstance(value, float):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= WORD_BITS:
        yield float(value)  # a longer one is a table by itself


def _of_text(text: str) -> Iterable[float]:
    parts = text.replace(";", ",").replace(" ", ",").split(",")
    try:
        found = [float(part) for part in parts if part]
    except ValueError:
        found = []
    return found if len(found) > 1 else [float(ord(char)) for char in text] if len(text) >= MANY else []


def _collections(source: str) -> Iterator[tuple[str, list[float]]]:
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        values: list[float] = []
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            values = [value for item in node.elts for value in _constants_of(item)]
        elif isinstance(node, ast.Dict):
            values = [value for item in node.values for value in _constants_of(item)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in docs:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            values = list(numbers(text))
        if len(values) > 1:
            yield f"line {getattr(node, 'lineno', 0)} of its file", values


def _constants_of(node: ast.AST) -> Iterator[float]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant):
            yield from numbers(part.value)


def constants(case: Case) -> Iterator[tuple[str, float]]:
    """Single numbers with four or more digits in the file and the parameters."""
    for node in ast.walk(ast.parse(case.loaded.source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | int) and _is_odd(node.value):
            yield f"line {node.lineno} of its file", abs(float(node.value))
    for name, value in case.fresh().params.model_dump().items():
        if isinstance(value, float | int) and not isinstance(value, bool) and _is_odd(value):
            yield f"parameter `{name}`", abs(float(value))


def _is_odd(value: float) -> bool:
    """True for a number that nobody would choose: four significant digits or more."""
    if isinstance(value, int) and value.bit_length() > WORD_BITS:
        return False  # no figure of a tape, and perhaps more than a float holds
    return len(f"{abs(value):.12g}".replace(".", "").strip("0").partition("e")[0]) >= 4


def _on_tape(values: list[float], prices: dict[str, Floats]) -> float:
    """The part of the values that are prices of the tape."""
    known = np.concatenate([prices[name] for name in ("open", "high", "low", "close")])
    wanted = np.array(values)
    if not len(known) or not _is_varied(wanted):
        return 0.0
    return float(np.isin(np.round(wanted, NINE), np.round(known, NINE)).mean())


def _is_varied(values: Floats) -> bool:
    """A list of few different numbers, such as signs, is on every tape by chance."""
    return len(np.unique(values)) >= FEW


def _figure_of(value: float, prices: dict[str, Floats]) -> str:
    """The figure of the whole tape that a number is when rounded to its digits, "" = none."""
    mantissa, _, exponent = repr(value).partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2].rstrip("0")))
    return next((name for name, figure in figures(prices) if abs(value - figure) <= half or isclose(value, figure)), "")


def figures(prices: dict[str, Floats]) -> Iterator[tuple[str, float]]:
    """Figures of the whole tape that strategies are normalised by."""
    close = prices["close"]
    if len(close) < FEW:
        return
    moves = np.diff(close) / close[:-1]
    for name, column in (
        ("close", close),
        ("volume", prices["volume"]),
        ("high", prices["high"]),
        ("low", prices["low"]),
    ):
        yield f"the mean {name}", float(column.mean())
        yield f"the median {name}", float(np.median(column))
        for ddof in (0, 1):
            yield f"the standard deviation of the {name}", float(column.std(ddof=ddof))
    for ddof in (0, 1):
        yield "the standard deviation of the returns", float(moves.std(ddof=ddof))
        yield "the standard deviation of the log returns", float(np.diff(np.log(close)).std(ddof=ddof))
    yield "the mean return", abs(float(moves.mean()))
    yield "the highest price", float(prices["high"].max())
    yield "the lowest price", float(prices["low"].min())
    yield "the last close", float(close[-1])
