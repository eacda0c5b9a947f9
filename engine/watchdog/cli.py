"""`moondev watchdog`: a second process beside `moondev run`. `main.py` says how venues are opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from domain.errors import ConfigError
from engine.cli import DEFAULT_DATA
from engine.clock import WallClock
from engine.watchdog.folder import Folder, Guarded
from engine.watchdog.rescue import Patient
from engine.watchdog.watch import DEADLINE_S, LEAST_DEADLINE_S, Options, Watchdog

EXIT_ACTED = 10
"""It had to act, and has done it."""


class Ward(Struct, frozen=True, kw_only=True):
    """What may have to be looked after: the real venues by name, and how each is opened when it comes to that.

    `validity_s` is how long a venue may still accept what was queued before the engine fell asleep.
    """

    venues: Sequence[str]
    validity_s: float
    patients: Callable[[Guarded], Sequence[Patient]]


def register(app: typer.Typer, open_ward: Callable[[Path], Ward]) -> None:
    """Add the verb; `open_ward(data folder)` raises `ConfigError` for settings that cannot be used."""

    @app.command()
    def watchdog(
        data: Annotated[Path | None, typer.Option(help="The engine's data folder.")] = None,
        deadline: Annotated[float, typer.Option(help="Seconds without a heartbeat.")] = DEADLINE_S,
        *,
        flatten: Annotated[bool, typer.Option("--flatten", help="Also close every position.")] = False,
    ) -> None:
        """Cancel the engine's orders, and close its positions if told so, when its heart stops. Stops stay."""
        folder = data or DEFAULT_DATA
        if not folder.is_dir():
            raise ConfigError(f"there is no data folder {folder}: give the one that `moondev run` uses, with --data")
        ward = open_ward(folder)
        if not ward.venues:
            typer.echo("There is nothing to guard: the paper venue lives in the engine's process, and dies with it.")
            return
        least_s = max(LEAST_DEADLINE_S, ward.validity_s)
        if not least_s < deadline < float("inf"):
            raise ConfigError(
                f"--deadline {deadline:g}: give more than {least_s:g} seconds, for what the engine sent last may be "
                "accepted so long (execution.validity)"
            )
        what = "cancels and closes positions" if flatten else "cancels; stops and positions stay"
        typer.echo(f"Watching {folder}: {', '.join(ward.venues)}. After {deadline:g} s without a heartbeat it {what}.")
        options = Options(deadline_s=deadline, flatten=flatten)
        report = asyncio.run(Watchdog(Folder(folder), WallClock(), ward.patients, options, typer.echo).run())
        typer.echo(f"Done. {report.text}. The engine's next start tells people, and adds no risk before they resume.")
        raise typer.Exit(EXIT_ACTED)
