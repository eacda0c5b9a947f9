"""Which strategies there are, and how their code gets in.

    load("turtle")                                a built-in kind
    load("breakout", Path("strategies"))          a file of the user's folder that declares this kind
    load("strategies/breakout.py:Breakout")       a class of a named file
    load("grid")                                  a kind that an installed package brings (`packages`)
    build(spec, Path("strategies"))               the strategy object that a spec describes

User files are read and executed anew at each load, so an edited file takes effect without a restart and an
earlier class goes on living in the strategies that were made from it. What a file imports is checked first:
a strategy that reads a clock, draws a random number or touches a file cannot be replayed. The check keeps
honest authors from mistakes; it is no sandbox, and loading a file means trusting it.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import inspect
import os
import re
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.errors import StrategyError
from domain.settings import StrategySpec
from domain.strategy import Params, Strategy, line_of, range_of
from domain.text import error_text, plain
from engine.strategies.arbitrage import Arbitrage
from engine.strategies.bench.alternator import Alternator
from engine.strategies.bench.quoter import Quoter
from engine.strategies.bench.sma_cross import SmaCross
from engine.strategies.calibrated_maker import CalibratedMaker
from engine.strategies.consolidation import Consolidation
from engine.strategies.ema_cross import EmaCross
from engine.strategies.funding_arbitrage import FundingArbitrage
from engine.strategies.lead_lag import LeadLag
from engine.strategies.market_maker import MarketMaker
from engine.strategies.mean_reversion import MeanReversion
from engine.strategies.nadaraya_watson import NadarayaWatson
from engine.strategies.packages import file_of, packaged
from engine.strategies.pairs import Pairs
from engine.strategies.turtle import Turtle
from engine.strategies.two_leg import TwoLeg

StrategyClass: TypeAlias = type[Strategy[Any, Any]]

BUILT_IN: dict[str, StrategyClass] = {
    cls.kind: cls
    for cls in (
        MarketMaker,
        Turtle,
        CalibratedMaker,
        Consolidation,
        LeadLag,
        MeanReversion,
        NadarayaWatson,
        Pairs,
        Arbitrage,
        FundingArbitrage,
        EmaCross,
        TwoLeg,
        Quoter,
        Alternator,
        SmaCross,
    )
}
BENCH = (Quoter.kind, Alternator.kind, SmaCross.kind)
"""Kinds that trade to be measured, not to earn: settings may name them, people are not offered them."""

ALLOWED_IMPORTS = (
    "__future__",
    "abc",
    "bisect",
    "collections",
    "dataclasses",
    "decimal",
    "domain",
    "engine.indicators",
    "engine.strategies",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "operator",
    "pydantic",
    "statistics",
    "typing",
)
KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
MANUAL = "manual"
MOST_BYTES = 128 * 1024
"""Of a strategy's file: parsing holds everything up and cannot be interrupted, and ours are a tenth of it."""
_DECLARES = re.compile(rf"""^ +kind\s*(?::[^=\n]*)?=\s*["']({KIND.pattern})["']""", re.MULTILINE)
OF_LOOPS = (ast.Break, ast.Continue)
FORBIDDEN_CALLS = ("__import__", "breakpoint", "compile", "eval", "exec", "id", "input", "open", "print")


class Loaded(NamedTuple):
    """A strategy's class with the source it came from; `source_hash` is the SHA-256 of that source."""

    strategy: StrategyClass
    source: str
    source_hash: str
    origin: str


def kinds(folder: Path | None = None) -> list[str]:
    """What people may load: built-in kinds, then what files of the user's folder declare, then installed packages.

    A name that no kind may have is not offered.
    """
    names = dict.fromkeys((*BUILT_IN, *declared(folder), *packaged()))
    return [kind for kind in names if kind not in {*BENCH, MANUAL} and KIND.fullmatch(kind)]


def load(kind: str, folder: Path | None = None) -> Loaded:
    """The class of a kind, or of `path/to/file.py:ClassName` (relative to `folder`, else to where we run).

    Raises `StrategyError` that says what is wrong with the name or the file, and where.
    """
    if ".py" in kind:
        name, _, class_name = kind.partition(":")
        path = Path(name)
        if folder is not None and (folder / path).is_file():
            path = folder / path
        return load_file(path, class_name)
    built_in = BUILT_IN.get(kind)
    if built_in is not None:
        source = inspect.getsource(sys.modules[built_in.__module__])
        return Loaded(built_in, source, source_hash(source), built_in.__module__)
    files = declared(folder)
    if kind not in files and kind in packaged():
        return of_package(kind)
    if kind not in files:
        near = difflib.get_close_matches(kind, kinds(folder), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(kinds(folder))}"
        raise StrategyError(f"no strategy kind is called {kind!r}; {hint}")
    (path, class_name), *others = files[kind]
    if others:
        names = " and ".join(str(each) for each, _ in files[kind])
        raise StrategyError(f"kind {kind!r} is declared by {names}: rename one, or begin its file's name with _")
    return load_file(path, class_name)


def of_package(kind: str) -> Loaded:
    """The class that an installed package brings under this name. Raises `StrategyError`."""
    path, class_name = file_of(kind)
    loaded = load_file(path, class_name)
    if loaded.strategy.kind != kind:
        raise StrategyError(f"{path}: the package calls it {kind!r}, its class says kind = {loaded.strategy.kind!r}")
    return loaded


def build(spec: StrategySpec, folder: Path | None = None) -> Strategy[Any, Any]:
    """The strategy that a spec describes. Raises `StrategyError` also for parameters that do not fit."""
    return make(load(spec.kind, folder), spec)


def make(loaded: Loaded, spec: StrategySpec) -> Strategy[Any, Any]:
    """The same with its class at hand."""
    try:
        return loaded.strategy.build(spec.instruments, spec.params)
    except ValidationError as error:
        wrong = "; ".join(_problem(loaded.strategy.params_type, problem) for problem in error.errors())
        raise StrategyError(f"strategy {spec.id} ({spec.kind}): {wrong}") from error


def source_hash(source: str) -> str:
    """SHA-256 (hex) of a strategy's source text."""
    return hashlib.sha256(source.encode()).hexdigest()


def files(folder: Path | None) -> list[Path]:
    """The files of the user's folder that are to hold strategies; names that start with an underscore are not."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith(("_", ".")))


def kinds_of(path: Path) -> dict[str, str]:
    """Kinds that a file declares (`kind = "..."` in a class) and their classes, read without running it.

    Raises `StrategyError` when it cannot be read or parsed.
    """
    classes = [node for node in _parse(_read(path), str(path)).body if isinstance(node, ast.ClassDef)]
    return {kind: node.name for node in classes if (kind := _declared_kind(node))}


def declared(folder: Path | None) -> dict[str, list[tuple[Path, str]]]:
    """Kinds that the files of a folder declare, each with the file and class; with several where they disagree.

    What a file that cannot be parsed seems to declare is there too, without a class: loading it says what is wrong.
    """
    found: dict[str, list[tuple[Path, str]]] = {}
    for path in files(folder):
        named: dict[str, str] = {}
        try:
            named = kinds_of(path)
        except StrategyError:
            with suppress(StrategyError):
                named = dict.fromkeys(_DECLARES.findall(_raw(path).decode(errors="replace")), "")
        for kind, class_name in named.items():
            found.setdefault(kind, []).append((path, class_name))
    return found


def check_source(source: str, origin: str) -> ast.Module:
    """Parse a strategy's source and refuse imports and calls that would keep it from being replayed.

    Raises `StrategyError` with the line.
    """
    tree = _parse(source, origin)
    for node in ast.walk(tree):
        for name in _imported(node):
            if not any(name == allowed or name.startswith(allowed + ".") for allowed in ALLOWED_IMPORTS):
                raise StrategyError(
                    f"{origin}, line {getattr(node, 'lineno', 0)}: a strategy may not import {name!r}: the same events "
                    f"must always give the same decisions. Use domain, engine.indicators, pydantic, msgspec, math"
                )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            raise StrategyError(
                f"{origin}, line {node.lineno}: a strategy may not call {node.func.id}(): it sees the market through "
                f"its view and nothing else"
            )
        if isinstance(node, ast.ExceptHandler) and _catches_all(node):
            raise StrategyError(
                f"{origin}, line {node.lineno}: name the error (`except ValueError:`): a handler for everything would "
                f"also catch what ends a call that hangs"
            )
        if isinstance(node, ast.Try | ast.TryStar) and (left := _leaves(node.finalbody)):
            raise StrategyError(
                f"{origin}, line {left}: `continue`, `break` and `return` may not stand in `finally`: there they would "
                f"also swallow what ends a call that hangs"
            )
    return tree


def _leaves(body: Iterable[ast.AST], leaving: tuple[type[ast.stmt], ...] = (ast.Return, *OF_LOOPS)) -> int:
    """The line of a `continue`, `break` or `return` that leaves a block, 0 = none."""
    for node in body:
        if isinstance(node, leaving):
            return node.lineno
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            inside = (ast.Return,) if isinstance(node, ast.For | ast.AsyncFor | ast.While) else leaving
            line = _leaves(ast.iter_child_nodes(node), inside)
            if line:
                return line
    return 0


def _raw(path: Path) -> bytes:
    """The beginning of a file, a byte more than a strategy may have. Raises `StrategyError`."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(MOST_BYTES + 1)
    except IsADirectoryError:
        pass
    except OSError as error:
        raise StrategyError(f"strategy file {path}: {error.strerror or error}") from error
    raise StrategyError(f"strategy file {path} is no regular file")


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe at once, to be refused."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read(path: Path) -> str:
    raw = _raw(path)
    if len(raw) > MOST_BYTES:
        raise StrategyError(f"strategy file {path} is larger than {MOST_BYTES // 1024} KiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StrategyError(f"strategy file {path} is not UTF-8 text: {error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parse(source: str, origin: str) -> ast.Module:
    try:
        return ast.parse(source, origin)
    except SyntaxError as error:
        raise StrategyError(f"{origin}, line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise StrategyError(f"{origin}: {str(error) or 'it is nested too deeply'}") from error


def _catches_all(node: ast.ExceptHandler) -> bool:
    return node.type is None or any(isinstance(n, ast.Name) and n.id == "BaseException" for n in ast.walk(node.type))


def load_file(path: Path, class_name: str = "") -> Loaded:
    """A class of a file, by default its only strategy. Raises `StrategyError` with file, line and reason."""
    source = _read(path)
    origin = str(path)
    tree = check_source(source, origin)
    fresh = _execute(source, origin)
    classes = {
        name: cls
        for name, cls in vars(fresh).items()
        if inspect.isclass(cls) and issubclass(cls, Strategy) and cls.__module__ == fresh.__name__
    }
    if not class_name and len(classes) == 1:
        class_name = next(iter(classes))
    chosen = classes.get(class_name)
    if chosen is None:
        written = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        if class_name in written:
            raise StrategyError(f"{origin}: {class_name} is no Strategy: derive it from domain.strategy.Strategy")
        asked = f"class {class_name!r} is not there" if class_name else "say which class: file.py:ClassName"
        raise StrategyError(f"{origin}: {asked}; strategies in this file: {', '.join(classes) or 'none'}")
    _check_class(chosen, origin)
    chosen.source, chosen.origin = source, origin
    return Loaded(chosen, source, source_hash(source), origin)


def _execute(source: str, origin: str) -> ModuleType:
    """Run a file as a new module. It is registered by path, for annotations to be looked up in."""
    name = f"moondev_user_strategy_{hashlib.sha256(origin.encode()).hexdigest()[:12]}"
    module = ModuleType(name)
    module.__file__ = origin
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(compile(source, origin, "exec"), vars(module))  # noqa: S102 - loading code is what this module is for
    except BaseException as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if not isinstance(error, Exception | SystemExit):
            raise
        raise StrategyError(f"{origin}{line_of(error, origin)}: {error_text(error)}") from error
    return module


def _check_class(cls: StrategyClass, origin: str) -> None:
    """Refuse a class that does not keep the contract of `Strategy`."""
    where = f"{origin}: {cls.__name__}"
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise StrategyError(f"{where} lacks {', '.join(missing)}")
    kind = getattr(cls, "kind", None)
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        raise StrategyError(f'{where} needs a name of lower-case letters, digits and _: kind = "..."')
    if kind in {*BUILT_IN, MANUAL}:
        raise StrategyError(f"{where}: kind {kind!r} is a built-in strategy's, choose another")
    for name, base in (("params_type", Params), ("memory_type", Struct)):
        value = getattr(cls, name, None)
        if not (inspect.isclass(value) and issubclass(value, base)):
            raise StrategyError(f"{where}: {name} must be a class derived from {base.__name__}")


def _problem(model: type[Params], problem: ErrorDetails) -> str:
    """One wrong parameter: its name, what is wrong, what was given and what it takes."""
    where, what = problem["loc"], problem["msg"].removeprefix("Value error, ")
    if not where:
        return what
    takes = range_of(model, str(where[0]))
    given = "" if problem["type"] in {"missing", "extra_forbidden"} else f", found {plain(problem['input'], 40, repr)}"
    return f"{'.'.join(plain(part, 80) for part in where)}: {what}{given}" + (f" (it takes {takes})" if takes else "")


def _declared_kind(node: ast.ClassDef) -> str:
    for statement in node.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="kind")], value=ast.Constant(value=str(kind)))
                | ast.AnnAssign(target=ast.Name(id="kind"), value=ast.Constant(value=str(kind)))
            ):
                return kind
    return ""


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "."] if not node.level else ["." * node.level + (node.module or "")]
    return []
