"""`moondev watchdog`: a second process beside `moondev run`. `main.py` says how venues are opened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol

import typer

from domain.errors import ConfigError
from domain.instrument import AccountId, Instrument
from domain.ports import Clock, MarketFeed, Venue
from engine.cli import DEFAULT_DATA
from engine.clock import WallClock
from engine.config.remember import REMEMBERED
from engine.watchdog.folder import Folder, Guarded
from engine.watchdog.halt import stop_trading
from engine.watchdog.rescue import Patient
from engine.watchdog.watch import DEADLINE_S, LEAST_DEADLINE_S, Options, Watchdog

UNKNOWN_VALIDITY_S = 5.0
EXIT_ACTED = 10
"""It had to act, and has done it."""


class HasId(Protocol):
    """An account of a venue."""

    @property
    def id(self) -> AccountId:
        """`VENUE:label`."""
        ...


class HasAccounts(Protocol):
    """How a venue is set up, as far as it matters here."""

    @property
    def accounts(self) -> Sequence[HasId]:
        """Those that can be traded there."""
        ...


class Venues(Protocol):
    """The real venues of the settings, by name; what `open_...` makes is not started."""

    @property
    def setups(self) -> Mapping[str, HasAccounts]:
        """By name."""
        ...

    def unlock(self) -> None:
        """Have the keys ready, asking a person at the terminal if need be. Raises `ConfigError`."""
        ...

    def open_venue(
        self, name: str, instruments: Sequence[Instrument], since_ns: Mapping[AccountId, int], clock: Clock
    ) -> Venue:
        """The order side."""
        ...

    def open_feed(self, name: str, instruments: Sequence[Instrument], clock: Clock) -> MarketFeed:
        """The market data."""
        ...


class Ward(NamedTuple):
    """What may have to be looked after. `venues` reads the settings as they are now.

    `validity_s` is how long a venue may still accept what was queued before the engine fell asleep.
    """

    venues: Callable[[], Venues]
    validity_s: float


def patients(venues: Venues, guarded: Guarded) -> list[Patient]:
    """The venues at which the engine has accounts in force. Raises `ConfigError` without keys."""
    found, clock = [], WallClock()
    for name, setup in venues.setups.items():
        since = {account.id: 0 for account in setup.accounts if account.id in guarded.accounts}
        if since:
            patient = Patient(
                name=name,
                accounts=[*since],
                instruments=[i for i in guarded.instruments if i.venue == name],
                open_venue=partial(venues.open_venue, name, guarded.instruments, since, clock),
                open_feed=partial(venues.open_feed, name, guarded.instruments, clock),
            )
            found.append(patient)
    if found:
        venues.unlock()  # before the time for an attempt begins: a person may have to type
    return found


def stop_from_outside(
    folder: Path, person: str, reason: str, flatten: bool, open_ward: Callable[[Path], Ward]
) -> tuple[bool, str]:
    """A person's halt where no engine answers: whether all is done, and what was. Raises `MoonDevError`.

    Settings that cannot be read do not prevent it: the run is ended and the mark is left all the same.
    """
    validity_s = UNKNOWN_VALIDITY_S
    with contextlib.suppress(ConfigError):
        validity_s = open_ward(folder).validity_s
    report = asyncio.run(
        stop_trading(
            Folder(folder),
            WallClock(),
            lambda now: patients(open_ward(folder).venues(), now),
            typer.echo,
            by=person,
            reason=reason,
            flatten=flatten,
            validity_s=validity_s,
        )
    )
    left = "" if report.done else " NOT everything could be done: look at the venue, and run it again."
    return report.done, f"HALTED: {report.text}.{left}"


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
        if not (folder / REMEMBERED).is_file():
            raise ConfigError(
                f"no engine has been started on {folder} yet: start `moondev run` first, which notes down its settings "
                "file there, or give the data folder that it uses, with --data"
            )
        ward = open_ward(folder)
        names = list(ward.venues().setups)
        if not names:
            typer.echo("There is nothing to guard: the paper venue lives in the engine's process, and dies with it.")
            return
        least_s = max(LEAST_DEADLINE_S, ward.validity_s)
        if not least_s < deadline < float("inf"):
            raise ConfigError(
                f"--deadline {deadline:g}: give more than {least_s:g} seconds, for what the engine sent last may be "
                "accepted so long (execution.validity)"
            )
        what = "cancels and closes positions" if flatten else "cancels; stops and positions stay"
        typer.echo(f"Watching {folder}: {', '.join(names)}. After {deadline:g} s without a heartbeat it {what}.")
        options = Options(deadline_s=deadline, flatten=flatten)
        dog = Watchdog(Folder(folder), WallClock(), lambda now: patients(ward.venues(), now), options, typer.echo)
        report = asyncio.run(dog.run())
        typer.echo(f"Done. {report.text}. The engine's next start tells people, and adds no risk before they resume.")
        raise typer.Exit(EXIT_ACTED)
