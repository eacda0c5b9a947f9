"""Joins settings, the vault and its signer, and the exchanges: the other half of `main.py`.

Nothing here is imported by a room. Heavy libraries are imported by the functions that use them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from engine.clock import WallClock
from engine.config import load_remembered
from engine.watchdog.cli import Ward

if TYPE_CHECKING:
    from domain.instrument import Instrument
    from domain.ports import HistorySource, MarketFeed
    from domain.views import VenuesFound
    from engine.config import Config
    from exchanges.shared.fleet import Fleet
    from vault.signer.opening import Opened, Part

PROGRAM = (sys.executable, str(Path(__file__).with_name("main.py")))
"""The command line, for a process of its own."""
ONE_VERB_S = 10.0
"""A signer that one verb has started ends so long after it."""


def venue_history(venue: str, config: Config) -> HistorySource:
    """A venue's past market data. Raises `ConfigError` for a venue that is not there."""
    from engine.config.parts import market_fields
    from exchanges.shared.public import PublicSide

    return PublicSide(market_fields(venue, config)).open_history()


def venue_feed(config: Config, instruments: Sequence[Instrument]) -> MarketFeed:
    """The live market data of the instruments' venue."""
    from engine.config.parts import market_fields
    from exchanges.shared.public import PublicSide

    return PublicSide(market_fields(instruments[0].venue, config)).open_feed(WallClock(), instruments)


def signer_part(config: Config) -> Part:
    """What the settings say of the signer."""
    from engine.config.parts import vault_fields, venue_fields
    from exchanges.shared.fleet import open_signers
    from vault.signer.opening import Part

    return Part(vault_fields(config), partial(open_signers, venue_fields(config)))


async def keys_once_unsealed(config: Config, data: Path) -> Opened | None:
    """The keys, when a person has opened the vault if need be; None when asked to stop before that."""
    from vault.signer.process import Sealed, is_open

    while True:
        try:
            return open_keys(config, data)
        except Sealed as why:
            from gateway.sealed import serve_until

            typer.echo(f"SEALED: {why}\nThis service then goes on by itself.", err=True)
            gateway = config.gateway
            address = (gateway.host, gateway.port) if gateway.enabled else None
            if not await serve_until(partial(is_open, data), address):
                return None


def open_keys(config: Config, data: Path, **more: float) -> Opened:
    """The secrets and signatures of a data folder. Raises `ConfigError`, also for a vault that stays sealed."""
    from vault.signer.opening import open_keys

    return open_keys(data, signer_part(config), PROGRAM, is_live=config.environment == "live", **more)


def open_fleet(config: Config, data: Path, keys: Opened | None = None) -> Fleet:
    """The real venues of a settings file, with the keys of a data folder, opened when needed. Raises `ConfigError`."""
    from engine.config.parts import venue_fields
    from exchanges.shared.fleet import Fleet, setups_of
    from vault.signer.opening import Late

    given = keys or Late(partial(open_keys, config, data, idle_s=ONE_VERB_S))
    return Fleet(setups_of(venue_fields(config)), given, data / "venues")


def ask_venues(config: Config, data: Path) -> VenuesFound:
    """What a start would find at the real venues of a settings file."""
    return asyncio.run(open_fleet(config, data).examine(WallClock()))


def open_ward(data: Path) -> Ward:
    """What the watchdog of a data folder looks after, by the settings file of the last start. Raises `ConfigError`."""
    execution = load_remembered(data).execution
    return Ward(lambda: open_fleet(load_remembered(data), data), execution.validity_ns / 1e9)
