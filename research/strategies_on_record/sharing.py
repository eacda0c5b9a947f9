"""Risk parity beside equal shares: the same strategies over the same basket, sized by the allocator or not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from research.backtest import run_plan
from research.market_data import FileOptions, open_file
from research.plan import Plan, Tested
from research.result import Result
from research.strategies_on_record.cases import ALTS, CORE, ETC, XLM
from research.strategies_on_record.ran import SEED, SETTINGS, Part, part_of

KINDS = ("mean_reversion", "nadaraya_watson", "turtle", "consolidation")
"""One on each of the first alts, all on one account."""


class Shared(Struct, frozen=True, kw_only=True):
    """The basket by one way of sharing; `shares` are those at the end."""

    part: Part
    shares: dict[str, Decimal]


def shared(folder: Path) -> tuple[Shared, Shared]:
    """Without the allocator, and with it."""
    return _run(folder, enabled=False), _run(folder, enabled=True)


def _run(folder: Path, *, enabled: bool) -> Shared:
    files = [file for file in ALTS if file not in (ETC, XLM)]
    options = FileOptions(tolerate_gaps=True, fees=CORE.instruments[0])
    sources = [open_file(folder / file, options) for file in files]
    tested = tuple(
        Tested(id=kind, kind=kind, instruments=(source.instrument.id,))
        for kind, source in zip(KINDS, sources, strict=True)
    )
    core = replace(CORE, allocation=replace(CORE.allocation, enabled=enabled))
    result: Result = run_plan(Plan(strategies=tested, seed=SEED), sources, replace(SETTINGS, core=core)).result
    label = "risk parity" if enabled else "each by all of the equity"
    return Shared(part=part_of(label, [result]), shares={one.id: one.share for one in result.strategies})
