"""Is all it knows in its memory? Saved and taken up again, run twice, another hash seed, what it leaves behind."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from msgspec import Struct
from msgspec.msgpack import encode as pack
from msgspec.structs import asdict

from engine.strategies import registry
from research.honesty.case import Case
from research.honesty.trace import AnyStrategy, Trace, parting
from research.honesty.verdict import Evidence, Finding, Light

SWAPS = 25
"""How often memory is saved and handed to fresh code in one run."""
DEEP = 6
"""Levels of containers that are looked into."""
TOLD = frozenset({"itertools", "collections", "decimal", "array"})
"""Modules whose objects tell all they hold in their `repr`."""
SEEDS = ("1", "2")
ROOT = Path(__file__).resolve().parents[2]


def runs(case: Case) -> Finding:
    """The plain run itself: did it get through, and did it do anything?"""
    name = "runs"
    run = case.plain()
    status, result = run.result.strategy_status, run.result
    counts = f"{len(run.trace.decisions):,} decisions, {result.orders:,} orders, {len(run.fills):,} fills"
    text = f"{counts}, PNL {run.pnl:+,.2f}"
    if not status.startswith("running"):
        return Finding(
            check=name,
            light=Light.RED,
            claim=f"it does not get through: {status}",
            advice="Mend it; nothing below can be relied on.",
            evidence=(Evidence(ts_ns=run.trace.seen_ns, bar=run.trace.bars, first_in="until then", first=text),),
        )
    refused = ", ".join(f"{reason} x {count}" for reason, count in result.refusals.items())
    if not run.fills or sum(result.refusals.values()) > result.orders:
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"it hardly trades: {text}{f'; refused: {refused}' if refused else ''}",
            advice="Look why with moondev backtest; what does not trade proves nothing.",
        )
    return Finding(check=name, light=Light.GREEN, claim=f"{text}{f'; refused: {refused}' if refused else ''}")


def restart(case: Case) -> Finding:
    """Saved and loaded into fresh code many times on the way, it must decide what it decides without."""
    name = "restart"
    plain = case.plain().trace
    other = Trace(swap=case.fresh, swap_every=max(1, plain.calls // SWAPS))
    case.run(trace=other)
    if other.unsaved:
        return Finding(
            check=name,
            light=Light.RED,
            claim=f"its memory cannot be saved and loaded again: {other.unsaved}",
            advice="Keep in memory only what msgspec can write: numbers, texts, lists, dicts, structs.",
        )
    apart = parting(plain.decisions, other.decisions)
    if apart is None:
        claim = (
            f"saved and taken up by fresh code {other.calls // max(1, plain.calls // SWAPS)} times, it decided the same"
        )
        return Finding(check=name, light=Light.GREEN, claim=claim)
    return Finding(
        check=name,
        light=Light.RED,
        claim="after a restart it decides otherwise: it keeps something outside its memory",
        advice="Move what it remembers (module variables, class or self attributes, closures) into its memory struct.",
        evidence=(apart.evidence("without a restart", "with its memory saved and loaded"),),
    )


def again(case: Case) -> Finding:
    """A second run in the same process, with the same class, and one with its file read anew must be the first."""
    name = "run again"
    plain = case.plain().trace
    second = Trace()
    loaded = registry.load(case.tested.kind, case.tested.folder)
    before = fingerprint(loaded.strategy)
    first = Trace()
    case.run(trace=first, make_code=lambda spec: registry.make(loaded, spec))
    case.run(trace=second, make_code=lambda spec: registry.make(loaded, spec))
    changed = [key for key, value in fingerprint(loaded.strategy).items() if before.get(key) != value]
    for other, where in ((first, "the next run"), (second, "a run after one by the same class")):
        apart = parting(plain.decisions, other.decisions)
        if apart is not None:
            return Finding(
                check=name,
                light=Light.RED,
                claim="run again on the same tape it decides otherwise"
                + (f"; it has changed {', '.join(changed)}" if changed else ""),
                advice="No randomness, no clock; nothing kept in the module or the class between calls.",
                evidence=(apart.evidence("the first run", where),),
            )
    if changed:
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"it decides the same when run again, but changes {', '.join(changed)}, which a restart forgets",
            advice="Move it into the memory struct, or take it out.",
        )
    claim = "run again, in the same process and from its file, it decided the same"
    return Finding(check=name, light=Light.GREEN, claim=claim)


def seeds(case: Case) -> Finding:
    """Other processes, in which sets and hashes have another order, must decide the same."""
    name = "other processes"
    plain = encoded(case.plain().trace)
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder) / "question"
        question.write_bytes(question_of(case))
        children = [_child(question, seed) for seed in SEEDS]
        answers = [child.communicate()[0] for child in children]
    for child, seed, answer in zip(children, SEEDS, answers, strict=True):
        if child.returncode:
            claim = f"could not be run in another process (exit code {child.returncode})"
            return Finding(check=name, light=Light.GREY, claim=claim)
        if answer.decode().strip() != plain:
            return Finding(
                check=name,
                light=Light.RED,
                claim=f"in another process (PYTHONHASHSEED={seed}) it decides otherwise",
                advice="Do not walk over a set, use hash() or id(): sort, or keep a dict in order of insertion.",
                evidence=(Evidence(first_in="here", first=plain[:12], second_in="there", second=answer.decode()[:12]),),
            )
    claim = f"in {len(SEEDS)} other processes with other hash seeds it decided the same"
    return Finding(check=name, light=Light.GREEN, claim=claim)


def encoded(trace: Trace) -> str:
    """All decisions as one hash."""
    return sha256(pack([tuple(each) for each in trace.decisions])).hexdigest()


def question_of(case: Case) -> bytes:
    """Everything another process needs to make the plain run."""
    sources = []
    for source in case.sources:
        intervals_ns = sorted(
            {feed.interval_ns for feed in case.feeds if feed.instrument == source.instrument.id and feed.interval_ns}
        )
        fields = {name: value for name, value in asdict(source).items() if not callable(value)}
        sources.append((fields, pack(list(source.tape(case.latency_ns(source), *intervals_ns)))))
    return pickle.dumps((case.plan, sources, case.settings))


def _child(question: Path, seed: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
        [sys.executable, "-m", "research.honesty.again", str(question)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
    )


def fingerprint(cls: type[AnyStrategy]) -> dict[str, str]:
    """What could hold state outside the memory, by name: module variables, class attributes, defaults, closures."""
    found: dict[str, str] = {}
    for name, value in sorted(cls.decide.__globals__.items()):  # of this load: sys.modules has the newest
        if not name.startswith("__"):
            found.update(_parts(f"the module's `{name}`", value, cls.__module__))
    return found


def _parts(name: str, value: Any, module: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, FunctionType) and value.__module__ == module:
        yield from _of_function(name, value)
    elif isinstance(value, type) and value.__module__ == module:
        for part, inner in sorted(vars(value).items()):
            if isinstance(inner, FunctionType):
                yield from _of_function(f"{name}.{part}", inner)
            elif not part.startswith("__") and not callable(inner):
                yield f"{name}.{part}", depth_of(inner)
    elif not isinstance(value, type | ModuleType | functools._lru_cache_wrapper):  # noqa: SLF001 - its only name
        yield name, depth_of(value)


def _of_function(name: str, value: FunctionType) -> Iterator[tuple[str, str]]:
    kept = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
    kept = [each for each in kept if not isinstance(each, type | FunctionType)]
    yield f"{name}()", depth_of([kept, value.__defaults__, value.__kwdefaults__, value.__dict__])


def _is_filled(cell: Any) -> bool:  # noqa: ANN401 - a cell has no public type
    try:
        cell.cell_contents  # noqa: B018 - reading it is the question
    except ValueError:
        return False
    return True


def depth_of(value: Any, depth: int = DEEP) -> str:  # noqa: ANN401 - whatever a file holds
    """A value as a text that changes when it does."""
    if depth == 0:
        return type(value).__name__
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{depth_of(item, depth - 1)}" for key, item in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(depth_of(item, depth - 1) for item in value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(depth_of(item, depth - 1) for item in value) + "]"
    if isinstance(value, Struct):
        return depth_of({field: getattr(value, field) for field in value.__struct_fields__}, depth)
    if isinstance(value, str | bytes | int | float | bool | type(None)):
        # of thousands of digits there is no repr
        return hex(value) if isinstance(value, int) and value.bit_length() > 64 else repr(value)
    held = getattr(value, "__dict__", None)
    if held:
        return type(value).__name__ + depth_of(held, depth - 1)
    return repr(value) if type(value).__module__ in TOLD else type(value).__name__
