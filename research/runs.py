"""Results that were kept: `runs/<run_id>.json` in a data folder, and a run made again from one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from domain.diff import diff
from domain.errors import ConfigError
from domain.text import plain
from engine.config.problem import Place
from engine.config.source import node_of
from research.opening import Opened, open_plan
from research.plan_file import Checked, check_plan
from research.prepare import Prepared
from research.provenance import code_hashes
from research.result import Outcome, Result
from research.saved import write_whole
from research.summary import as_json

FOLDER = "runs"
MOST_KEPT = 200
"""Newest results that a data folder keeps."""


class Kept(Struct, frozen=True, kw_only=True):
    """What a list says of one result."""

    run_id: str
    kept_ns: int
    strategy: str
    instrument: str
    data: str
    first_ns: int
    last_ns: int
    pnl: Decimal
    currency: str
    fills: int


class _Head(Struct, frozen=True, kw_only=True):
    """The fields of a result that a list needs; the rest is passed over."""

    strategy: str
    instrument: str
    data: str
    first_ns: int
    last_ns: int
    equity: Decimal
    deposit: Decimal
    currency: str
    fills: int


def keep(data: Path, outcome: Outcome) -> Path:
    """Keep a result under its run's id; the oldest beyond `MOST_KEPT` go. Raises `ConfigError` when it cannot."""
    folder = data / FOLDER
    path = folder / f"{outcome.result.provenance.run_id}.json"
    try:
        write_whole(path, as_json(outcome) + b"\n")
        for _, old in _by_age(folder)[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"the result cannot be kept in {folder}: {error.strerror or error}") from error
    return path


def _by_age(folder: Path) -> list[tuple[int, Path]]:
    """What is kept, oldest first, with when; another run may delete some of it meanwhile."""
    found: list[tuple[int, Path]] = []
    for file in folder.glob("*.json"):
        with suppress(FileNotFoundError):
            found.append((file.stat().st_mtime_ns, file))
    return sorted(found)


def listed(data: Path) -> Iterator[Kept]:
    """Results that are kept, newest first; what is no result (any more) is passed over."""
    for kept_ns, file in reversed(_by_age(data / FOLDER)):
        try:
            head = msgspec.json.decode(file.read_bytes(), type=_Head)
        except (OSError, msgspec.DecodeError):
            continue
        yield Kept(
            run_id=file.stem,
            kept_ns=kept_ns,
            strategy=head.strategy,
            instrument=head.instrument,
            data=head.data,
            first_ns=head.first_ns,
            last_ns=head.last_ns,
            pnl=head.equity - head.deposit,
            currency=head.currency,
            fills=head.fills,
        )


def asked_of(
    checked: Checked,
    document: Any,  # noqa: ANN401 - a plan as its file has it
    config: Path | None,
    store: Path,
    command: str,
) -> dict[str, Any]:
    """What a result carries so that it can be made again: the plan, and where everything it names is."""
    return {
        "command": command,
        "plan": document,
        "base": str(checked.base.resolve()),
        "folder": str(checked.folder.resolve()),
        "config": str(config.resolve()) if config is not None else "",
        "store": str(store.resolve()),
    }


def find_kept(data: Path, name: str) -> Path:
    """A result by its file, or by the beginning of its run's id. Raises `ConfigError`."""
    if Path(name).is_file():
        return Path(name)
    found = sorted((data / FOLDER).glob(f"{name}*.json")) if name.isalnum() else []
    if len(found) == 1:
        return found[0]
    why = f"{len(found)} runs begin with it" if found else f"no file, and no run in {data / FOLDER}"
    raise ConfigError(f"{name}: {why}; ./moondev backtest --list shows them")


def open_again(old: Result) -> Opened:
    """Everything that a result was made of, as it is now. Raises as a first run does."""
    asked = old.asked
    if not asked:
        raise ConfigError("this result was not made from the command line: what it was made of is not in it")
    config = Path(asked["config"]) if asked["config"] else None
    checked = check_plan(
        node_of(asked["plan"], Place("the result's plan")), Path(asked["base"]), config, Path(asked["folder"])
    )
    return open_plan(checked, Path(asked["store"]), asked)


def differences(old: Result, run: Prepared) -> list[str]:
    """What is not as it was, in words; with nothing the result has to be the same."""
    found = []
    code, lock = code_hashes()
    was, terms = old.provenance, run.terms
    if code != was.code_hash:
        found.append(f"code: the product's source is {code[:12]}, it was {was.code_hash[:12]}")
    if lock != was.lock_hash:
        found.append(f"code: the locked dependencies are {lock[:12]}, they were {was.lock_hash[:12]}")
    ids, now_ids = [each.id for each in old.strategies], [built.spec.id for built in terms.strategies]
    if ids != now_ids:
        return [*found, f"code: the plan comes to the strategies {', '.join(now_ids)}, it came to {', '.join(ids)}"]
    for before, built in zip(old.strategies, terms.strategies, strict=True):
        if before.source_hash != built.source_hash:
            text = f"the source of {before.id} ({before.kind}) is {built.source_hash[:12]}"
            found.append(f"code: {text}, it was {before.source_hash[:12]}")
    for source, now in zip(old.sources, terms.sources, strict=True):
        if source.sha256 != now.sha256:
            found.append(f"data: {source.name} is {now.sha256[:12]} now, it was {source.sha256[:12]}")
    found += [f"settings: {line}" for line in diff(old.settings, run.core)]
    for venue, paper in old.venues.items():
        if paper != terms.paper[venue]:
            found.append(f"settings: the exchange of {venue} is {terms.paper[venue]}, it was {paper}")
    if not found and terms.provenance.run_id != was.run_id:
        found.append("settings: they differ in what is not told apart here")
    return found


def unlike(record: Result, again: Result) -> list[str]:
    """Everything in which a run made again is other than its record, by field; empty = the same to the last digit."""
    mine, other = msgspec.to_builtins(again), msgspec.to_builtins(record)
    for each in (mine, other):
        del each["asked"], each["provenance"]["command"]  # how it was asked for: nothing that came out
    return [text for field in other for text in _unlike(field, mine[field], other[field])]


def _unlike(path: str, mine: Any, other: Any) -> Iterator[str]:  # noqa: ANN401 - builtins of any shape
    if isinstance(mine, dict) and isinstance(other, dict):
        for key in sorted(mine.keys() | other.keys()):
            yield from _unlike(f"{path}.{key}", mine.get(key), other.get(key))
    elif isinstance(mine, list | tuple) and isinstance(other, list | tuple):
        if len(mine) != len(other):
            yield f"{path}: {len(mine)} of them, the record has {len(other)}"
        apart = [at for at, (left, right) in enumerate(zip(mine, other, strict=False)) if left != right]
        if apart:
            at = apart[0]
            more = f" (and {len(apart) - 1} more of {len(other)})" if len(apart) > 1 else ""
            yield from (text + more for text in _unlike(f"{path}[{at}]", mine[at], other[at]))
    elif mine != other:
        yield f"{path}: {plain(mine, 60)}, the record says {plain(other, 60)}"
