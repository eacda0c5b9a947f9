"""While an incident is young its state is preserved, and when it is over its report is written."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from domain.errors import MoonDevError
from domain.facts import Alerted
from engine.core.journal.snapshots import SNAPSHOT_FOLDER, SnapshotStore
from engine.desk import Desk
from engine.emergency import report
from engine.reading import reading

log = logging.getLogger(__name__)


async def keep(data: Path, desk: Desk, snapshot: Callable[[], Awaitable[None]]) -> None:
    """Run until cancelled. `snapshot` writes one of the state as it is now."""

    async def make(name: str) -> tuple[str, str]:
        made = await reading(report.build, data / "journal", name)
        await reading(report.write, data, made)
        return f"incident-{made.id}.md", report.as_markdown(made)

    desk.incident_report = make
    done: dict[str, None] = {}
    async with desk.facts() as facts:
        async for fact in facts:
            newest = next(iter(desk.incidents()), None)
            if not (isinstance(fact, Alerted) and fact.kind == "incident") or newest is None:
                continue
            try:
                if newest.id not in done:
                    done[newest.id] = None
                    await snapshot()
                    await reading(preserve, data, newest.id)
                if newest.closed_ns:
                    await make(newest.id)
            except (MoonDevError, OSError) as error:
                log.error("incident %s: not everything could be kept: %s", newest.id, error)  # noqa: TRY400


def preserve(data: Path, name: str) -> Path | None:
    """Copy the newest snapshot beside the reports, where no newer one pushes it out. Raises OSError."""
    files = SnapshotStore(data / "journal" / SNAPSHOT_FOLDER).files()
    if not files:
        return None
    folder = data / "incidents"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / f"{name}-{files[-1].name}"
    shutil.copy2(files[-1], kept)
    return kept
