"""The command: run everything, print the page or write it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from research.market_data import MarketData
from research.provenance import code_hashes
from research.strategies_on_record.cases import CASES, Case
from research.strategies_on_record.page import Everything, Source, page
from research.strategies_on_record.planted import PLANTED, Planted, came_of, pnl_of
from research.strategies_on_record.ran import parts_of
from research.strategies_on_record.sharing import shared
from research.strategies_on_record.told import Shown
from research.strategies_on_record.walk import Ground, Moved, moved

FUNDING = "*funding*.parquet"


def show(case: Case, sources: tuple[MarketData, ...], folder: Path) -> Shown:
    """Run a case: its parts, and where it has a space, its walk-forward and what is moved."""
    parts = tuple(parts_of(case.kind, case.params, sources, is_whole=case.is_ticks))
    if not case.space:
        return Shown(case=case, parts=parts)
    ground = Ground(case, folder)
    found = tuple(moved(case.kind, ground.params({}), case.moved, ground.pnl))
    return Shown(case=case, parts=parts, walk=ground.walk(sources), moved=found)


def move(case: Planted) -> tuple[Moved, ...]:
    """A made-up market's parameters, moved one at a time."""
    return tuple(moved(case.kind, case.params, case.moved, lambda changed: pnl_of(case, changed)))


def everything(folder: Path, cases: tuple[Case, ...], planted: tuple[Planted, ...], *, is_shared: bool) -> Everything:
    """Run all of it, and say on standard error how long each took. `is_shared`: the allocator's basket too."""
    found, files = list[Shown](), dict[str, Source]()
    for case in cases:
        began_s = time.monotonic()
        sources = case.open(folder)
        for file, source in zip(case.files, sources, strict=True):
            files[file] = Source(
                name=file, sha256=source.sha256, rows=source.rows, first_ns=source.first_ns, last_ns=source.last_ns
            )
        found.append(show(case, sources, folder))
        _say(f"{case.kind}, {case.title}", began_s)
    began_s = time.monotonic()
    came = tuple(came_of(case) for case in planted)
    over = {case.kind: move(case) for case in planted if case.moved}
    _say("made-up markets", began_s)
    code, lock = code_hashes()
    return Everything(
        shown=tuple(found),
        came=came,
        moved=over,
        shared=shared(folder) if is_shared else (),
        sources=tuple(files[name] for name in sorted(files)),
        fundings=tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob(FUNDING))),
        code_hash=code,
        lock_hash=lock,
    )


def _say(what: str, began_s: float) -> None:
    print(f"{time.monotonic() - began_s:6.1f} s  {what}", file=sys.stderr, flush=True)  # noqa: T201 - a program that prints


def main() -> None:
    """Make the page."""
    parser = argparse.ArgumentParser(prog="research.strategies_on_record", description=__doc__)
    parser.add_argument("folder", nargs="?", default=os.environ.get("MOONDEV_DATA_DIR", ""), help="recorded data")
    parser.add_argument("--out", type=Path, help="write the page there instead of printing it")
    parser.add_argument("--only", default="", help="kinds, separated by commas: for a look, not for the page")
    given = parser.parse_args()
    only = {kind for kind in given.only.split(",") if kind}
    cases = tuple(case for case in CASES if not only or case.kind in only)
    planted = tuple(case for case in PLANTED if not only or case.kind in only)
    began_s = time.monotonic()
    text = page(everything(Path(given.folder), cases, planted, is_shared=not only))
    _say("all of it", began_s)
    if given.out is None:
        print(text)  # noqa: T201 - as above
    else:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
