"""The flags of `moondev backtest` as the plan that they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from domain.errors import ConfigError
from engine.config.problem import Place
from engine.config.source import Node, node_of
from research.params import parse_params

ID = "tested"
PLACE = Place("(command line)")


class Flags(Struct, frozen=True, kw_only=True):
    """As they were typed; `instruments` belong to the sources in their order."""

    strategy: str
    params: str = ""
    data: tuple[Path, ...] = ()
    stored: tuple[str, ...] = ()
    simulated_hours: float = 0
    instruments: tuple[str, ...] = ()
    kind: str = ""
    stamp: str = "open"
    tolerate_gaps: bool = False
    newest_first: bool = False
    funding: Path | None = None
    interval: str = ""
    start: str = ""
    end: str = ""
    fill_model: str = ""
    deposit: float = 100_000
    approver: str = "auto"
    seed: int = 7


def document_of(flags: Flags) -> Node:
    """The plan. Raises `ConfigError` for what no plan could be."""
    if not flags.strategy:
        raise ConfigError("say what to test: a plan's file, or --strategy KIND; --list shows the results kept")
    over = {"--data": flags.data, "--stored": flags.stored, "--simulated-hours": flags.simulated_hours}
    named = [name for name, value in over.items() if value]
    if len(named) != 1:
        given = f"; {' and '.join(named)} are given, one of them is right" if named else ""
        raise ConfigError(f"say what to run over: --data FILE, --stored INSTRUMENT, or --simulated-hours H{given}")
    document: dict[str, Any] = {
        "strategies": [{"id": ID, "kind": flags.strategy, "params": parse_params(flags.params)}],
        "sources": _sources(flags),
        "deposit": flags.deposit,
        "approver": flags.approver,
        "seed": flags.seed,
    }
    if flags.start or flags.end:
        document["span"] = {"from": flags.start or None, "to": flags.end or None}
    if flags.fill_model:
        document["settings"] = {"paper": {"fill_model": flags.fill_model}}
    return node_of(document, PLACE)


def _sources(flags: Flags) -> list[dict[str, Any]]:
    if flags.simulated_hours:
        names: tuple[str, ...] = flags.instruments or ("",)
        return [{"simulated": name or "any", "hours": flags.simulated_hours} for name in names]
    count = len(flags.data) or len(flags.stored)
    if flags.data and flags.instruments and len(flags.instruments) != count:
        raise ConfigError(f"--instrument is there {len(flags.instruments)} times for {count} times --data: one each")
    if flags.funding is not None and count > 1:
        raise ConfigError("--funding is for one --data; several sources take a plan's file")
    common = {
        "kind": flags.kind or None,
        "tolerate_gaps": flags.tolerate_gaps,
    }
    if flags.stored:
        return [{"stored": name, "interval": flags.interval or None, **common} for name in flags.stored]
    of_file = {
        "stamp": flags.stamp,
        "newest_first": flags.newest_first,
        "funding": str(flags.funding) if flags.funding is not None else None,
    }
    names = flags.instruments or ("",) * count
    return [
        {"file": str(path), "instrument": name, **common, **of_file}
        for path, name in zip(flags.data, names, strict=True)
    ]
