"""What does its file reach for? Whom it calls, what it brings along, and numbers that come from this very tape."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.desired import Desired
from domain.instrument import Instrument
from domain.market import Bar
from domain.strategy import View
from engine.strategies import registry
from research.honesty.case import Case, Change
from research.honesty.trace import AnyStrategy
from research.honesty.verdict import Evidence, Finding, Light

WATCHED = 500
"""Events of the run in which every call is watched."""
HARMLESS = frozenset(
    {
        *registry.ALLOWED_IMPORTS,
        "builtins",
        "engine.core.view",
        "numpy",
        "pydantic_core",
        "typing_extensions",
        "zoneinfo",
    }
)
BUILT_IN_DOORS = frozenset(registry.FORBIDDEN_CALLS) | {"hash", "globals", "vars"}
CLOCKS = frozenset({"now", "utcnow", "today"})
DOORS = frozenset(
    {
        "__builtins__",
        "__closure__",
        "__code__",
        "__globals__",
        "__loader__",
        "__spec__",
        "__subclasses__",
        "cr_frame",
        "f_back",
        "f_globals",
        "f_locals",
        "gi_frame",
        "tb_frame",
        "tb_next",
        "_getframe",
        "__traceback__",
        "modules",
    }
)
"""Attributes that lead out of a strategy: to frames, modules and everything that is in memory."""
MANY = 100
"""Numbers, or characters, in one value of a file or parameter above which it is asked where they come from."""
FEW = 20
"""Numbers below which it is chance when they are on the tape."""
WORD_BITS = 64
"""Bits of a whole number above which it is a table of bits."""
NINE = 9
"""Decimals to which prices are compared."""
Floats = NDArray[np.float64]


def calls(case: Case) -> Finding:
    """Everything that the strategy's own file calls, while it is loaded and for a while of the run."""
    seen: dict[str, int] = {}
    file = inspect.getsourcefile(case.loaded.strategy) or case.loaded.origin
    watch = _watcher(frozenset({file, case.loaded.origin}), seen)
    sys.setprofile(watch)
    try:
        code = case.fresh()
    finally:
        sys.setprofile(None)
    times = [event.ts_ns for event in case.tape()[: case.warmup * len(case.feeds) + WATCHED]]
    case.run(Change(until_ns=times[-1]), make_code=lambda _: _watched(code, watch))
    doors = {**seen, **escapes(case.loaded.source)}
    if not doors:
        return Finding(
            check="reach", light=Light.GREEN, claim="its file calls nothing but indicators, nouns and arithmetic"
        )
    return Finding(
        check="reach",
        light=Light.RED,
        claim=f"its file reaches out of its view: {', '.join(sorted(doors))}",
        advice="A strategy sees the market through its view and nothing else: what it reads elsewhere is not there "
        "live, or was not known then.",
        evidence=tuple([Evidence(first_in=f"line {line}", first=name) for name, line in sorted(doors.items())]),
    )


def _watched(code: AnyStrategy, watch: Callable[[FrameType, str, Any], None]) -> AnyStrategy:
    ask = code.decide

    def decide(memory: Any, view: View) -> tuple[Any, Desired]:  # noqa: ANN401 - any strategy's memory
        sys.setprofile(watch)
        try:
            return ask(memory, view)
        finally:
            sys.setprofile(None)

    code.decide = decide  # type: ignore[method-assign]  # the instance's own
    return code


def _watcher(files: frozenset[str], seen: dict[str, int]) -> Callable[[FrameType, str, Any], None]:
    """A profile function that notes calls out of `files` to where a strategy has no business."""

    def watch(frame: FrameType, event: str, called: Any) -> None:  # noqa: ANN401 - a function of C
        if event == "c_call":
            if frame.f_code.co_filename in files and (name := _door(called)):
                seen.setdefault(name, frame.f_lineno)
        elif event == "call":
            caller = frame.f_back
            if caller is None or caller.f_code.co_filename not in files or frame.f_code.co_filename in files:
                return
            module = str(frame.f_globals.get("__name__", ""))
            is_generated = frame.f_code.co_filename == "<string>" or module.startswith("namedtuple_")
            if not _is_harmless(module) and not is_generated and not module.startswith("importlib"):
                seen.setdefault(f"{module}.{frame.f_code.co_name}", caller.f_lineno)

    return watch


def _door(called: Any) -> str:  # noqa: ANN401 - a function of C
    name = str(getattr(called, "__name__", ""))
    owner = getattr(called, "__self__", None)
    module = str(getattr(called, "__module__", None) or type(owner).__module__)
    if isinstance(owner, ModuleType):
        module = owner.__name__
    elif isinstance(owner, type):
        module = owner.__module__
    if module == "builtins":
        return name if name in BUILT_IN_DOORS else ""
    if module == "datetime":
        return f"datetime.{name}" if name in CLOCKS else ""
    known = _is_harmless(module) or (module.startswith("_") and _is_harmless(module[1:]))
    return "" if known or module in {"_operator", "_struct"} else f"{module}.{name}"


def _is_harmless(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in HARMLESS)


def escapes(source: str) -> dict[str, int]:
    """Attributes, names and texts in a source that lead out of it, or are put together, with their lines."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        for name in _doors_in(node):
            found.setdefault(name, getattr(node, "lineno", 0))
    return found


def _doors_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and node.attr in DOORS:
        yield f".{node.attr}"
    elif isinstance(node, ast.Name) and node.id in DOORS:
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from (f'"{part}"' for part in node.value.split(".") if part in DOORS - {"modules"})
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"getattr", "attrgetter"}
        and any(isinstance(argument, ast.BinOp | ast.JoinedStr) for argument in node.args)
    ):
        yield f"{node.func.id}() of a name that is put together"


def luggage(case: Case) -> Finding:
    """Numbers in the file and the parameters that come from the tape: its prices, or figures of all of it."""
    name = "brought along"
    tapes = [columns(case.bars(), instrument) for instrument in case.instruments.values()]
    for where, values in carried(case):
        on_tape = max(_on_tape(values, prices) for prices in tapes) if len(values) >= FEW else 0.0
        if on_tape > 0.8:
            return _brought(where, f"{len(values)} numbers, {on_tape:.0%} of them prices of this tape", values)
    for where, value in constants(case):
        figure = next(filter(None, (_figure_of(value, prices) for prices in tapes)), "")
        if figure:
            return Finding(
                check=name,
                light=Light.RED,
                claim=f"{where} is {value:.10g}, {figure} of the whole tape: nobody knew that before it ended",
                advice="Let decide() follow it bar by bar (RollingStd, Ema), or take it from data before the test.",
                evidence=(Evidence(first_in=where, first=f"{value:.10g}", second_in="tape", second=figure),),
            )
    for where, count in unexplained(case):
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"{where} holds {count} values: nothing shows where they come from",
            advice="Compute them bar by bar from the view. If they were found by looking at data, test on other.",
        )
    return Finding(
        check=name, light=Light.GREEN, claim="no prices or figures of the tape are in its file or parameters"
    )


def unexplained(case: Case) -> Iterator[tuple[str, int]]:
    """Places that hold so many values that somebody may have found them on a tape, and how many."""
    for where, values in carried(case):
        if len(values) >= MANY:
            yield where, len(values)
    tree = ast.parse(case.loaded.source)
    whole = [(f"line {n.lineno} of its file", n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    whole += [(f"parameter `{name}`", value) for name, value in case.fresh().params.model_dump().items()]
    for where, value in whole:
        if isinstance(value, int) and value.bit_length() > WORD_BITS:
            yield f"the whole number in {where}", value.bit_length()
    odd = sum(1 for where, _ in constants(case) if where.startswith("line"))
    if odd >= FEW:
        yield "its file, in numbers of four digits and more,", odd


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
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


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
    return next((name for name, figure in figures(prices) if abs(value - figure) <= half), "")


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
