"""What is stored, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.data.store.manifest import Manifest, describe
from engine.data.store.series import Series
from engine.data.store.store import MarketStore, when

SHOWN_GAPS = 3


def as_rows(store: MarketStore, series: Iterable[Series]) -> list[dict[str, Any]]:
    """One dictionary a series, with every gap."""
    rows = []
    for each in series:
        found = store.manifest(each)
        gaps = [
            {"start_ns": gap.start_ns, "end_ns": gap.end_ns, "missing": gap.missing, "why": gap.why}
            for gap in found.gaps(each)
        ]
        rows.append(
            {
                "instrument": each.instrument,
                "kind": str(each.kind),
                "interval_ns": each.interval_ns,
                "first_ns": found.first_ns,
                "last_ns": found.last_ns,
                "rows": found.rows,
                "parts": len(found.parts),
                "bytes": sum(part.bytes for part in found.parts),
                "sources": found.sources,
                "sha256": found.sha256,
                "gaps": gaps,
                "path": str(store.folder / each.path),
            }
        )
    return rows


def as_table(store: MarketStore, series: Iterable[Series], *, all_gaps: bool = False) -> RenderableType:
    """A table with a line a series, and below it the gaps by name: the first few, or all."""
    table = Table("stored", "from (UTC)", "to (UTC)", box=None, pad_edge=False, header_style="bold")
    for name in ("rows", "gaps", "MiB"):
        table.add_column(name, justify="right")
    table.add_column("from where", overflow="fold")
    lines: list[Text] = []
    for each in series:
        found = store.manifest(each)
        gaps = found.gaps(each)
        size = sum(part.bytes for part in found.parts) / 2**20
        table.add_row(
            each.name,
            when(found.first_ns) if found.rows else "",
            when(found.last_ns) if found.rows else "",
            f"{found.rows:,}",
            f"{len(gaps):,}",
            f"{size:,.1f}",
            _short(found),
        )
        shown = gaps if all_gaps else gaps[:SHOWN_GAPS]
        lines += [
            Text(f"gap  {each.name}  {when(gap.start_ns)} to {when(gap.end_ns)}  {describe(gap, each.interval_ns)}")
            for gap in shown
        ]
        if len(gaps) > len(shown):
            lines.append(Text(f"     and {len(gaps) - len(shown)} gaps more of {each.name}; all of them: --gaps"))
    return Group(table, *([Text("")] if lines else []), *lines)


def _short(found: Manifest) -> str:
    names = found.sources
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
