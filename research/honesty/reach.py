"""What does its file reach for? Whom it calls, and what leads out of it."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any

from domain.desired import Desired
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
BUILT_IN_DOORS = frozenset(registry.FORBIDDEN_CALLS) | {"dir", "globals", "hash", "locals", "vars"}
CLOCKS = frozenset({"now", "utcnow", "today"})
DOORS = frozenset(
    {
        "__builtins__",
        "__closure__",
        "__code__",
        "__doc__",
        "__globals__",
        "__loader__",
        "__spec__",
        "__struct_fields__",
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
"""Attributes that lead out of a strategy: to frames, modules, everything that is in memory, its own text."""


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
