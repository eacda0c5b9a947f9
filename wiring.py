"""Joins settings, the vault and its signer, and the exchanges: the other half of `main.py`.

Nothing here is imported by a room. Heavy libraries are imported by the functions that use them.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from msgspec import convert

from domain.errors import ConfigError, MoonDevError
from domain.record_views import KeyStatus
from engine.cli import vault_fields
from engine.clock import WallClock
from engine.config import load_remembered
from engine.watchdog.cli import Ward

if TYPE_CHECKING:
    from domain.instrument import Instrument
    from domain.keys import KeyBook
    from domain.ports import HistorySource, MarketFeed, Secrets, Signer
    from domain.views import VenuesFound
    from engine.config import Config
    from engine.runtime import Runtime
    from exchanges.shared.fleet import Fleet
    from exchanges.shared.rotation import RotatingKeys, Rotation
    from gateway.link.beside import Beside
    from gateway.link.client import LinkSource
    from gateway.server import GatewayServer
    from gateway.source import Source
    from vault.signer.opening import Opened, Part
    from vault.signer.rotate import Asked

log = logging.getLogger(__name__)

VERSION = "0.1.0"
PROGRAM = (sys.executable, str(Path(__file__).with_name("main.py")))
"""The command line, for a process of its own."""
KEYS_EVERY_S = 10.0
ONE_VERB_S = 10.0
"""A signer that one verb has started ends so long after it."""


def venue_history(venue: str, config: Config) -> HistorySource:
    """A venue's past market data. Raises `ConfigError` for a venue that is not there."""
    from engine.config.parts import market_fields
    from exchanges.shared.public import PublicSide
    from exchanges.shared.setup import venue_module

    venue_module(venue)
    return PublicSide(market_fields(venue, config)).open_history()


def venue_feed(config: Config, instruments: Sequence[Instrument]) -> MarketFeed:
    """The live market data of the instruments' venue."""
    from engine.config.parts import market_fields
    from exchanges.shared.public import PublicSide

    return PublicSide(market_fields(instruments[0].venue, config)).open_feed(WallClock(), instruments)


def signer_part(config: Config) -> Part:
    """What the settings say of the signer."""
    from engine.config.parts import vault_fields, venue_fields
    from exchanges.shared.fleet import make_key, open_signers
    from vault.signer.opening import Part

    return Part(vault_fields(config), partial(open_signers, venue_fields(config)), make_key)


async def keys_once_unsealed(config: Config, data: Path) -> Opened | None:
    """The keys, when a person has opened the vault if need be; None when asked to stop before that."""
    from vault.signer.process import Sealed, is_open

    while True:
        try:
            keys = open_keys(config, data)
            try:
                await keys.refresh()
            except BaseException:
                keys.close()
                raise
            return keys
        except Sealed as why:
            from engine.config.parts import gateway_fields
            from gateway.access.doors import AccessSetup
            from gateway.link.keeper import Lock
            from gateway.sealed import serve_until

            typer.echo(f"SEALED: {why}\nThis service then goes on by itself.", err=True)
            gateway = config.gateway
            is_served = not gateway.enabled or Lock(data).is_taken()  # a gateway of its own says itself what it lacks
            outside = convert(gateway_fields(config), AccessSetup).outside
            address = None if is_served else (gateway.host, gateway.port)
            if not await serve_until(partial(is_open, data), address, outside):
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


def open_exchange(asked: Asked) -> Rotation:
    """The exchange of a venue's key for another. Raises `ConfigError` for a name that no account's key has."""
    from vault.signer.held import ServiceSecrets

    secrets = ServiceSecrets(asked.vault)
    return rotation_of(asked.folder, asked.name, asked.keys, asked.keys.signer, secrets, asked.typed_owner)


def rotation_of(
    data: Path,
    name: str,
    keys: RotatingKeys,
    signer_of: Callable[[str], Signer],
    secrets: Secrets,
    typed_owner: Callable[[str], str] | None = None,
) -> Rotation:
    """As `open_exchange`, with the keys of whoever has them."""
    from engine.config.parts import venue_fields
    from exchanges.hyperliquid.approving import with_typed
    from exchanges.shared.fleet import setups_of
    from exchanges.shared.rotation import Place, Rotation

    setups = setups_of(venue_fields(load_remembered(data)))
    found = [(s, a) for s in setups for a in s.accounts if name in {a.key, a.api_key}]
    if not found:
        raise ConfigError(f"no account's key is called {name!r:.80}: other secrets take `./moondev vault add`")
    setup, account = min(found, key=lambda one: one[1].is_vault)
    folder = data / "venues" / setup.venue.lower()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    typed = typed_owner(account.address) if typed_owner and setup.venue == "HYPERLIQUID" else ""
    place = Place(
        setup=setup,
        account=account,
        keys=keys,
        signer=partial(signer_of, setup.venue),
        secrets=secrets,
        owner=(lambda: with_typed(signer_of(setup.venue), typed)) if typed else None,
        clock=WallClock(),
        folder=folder,
    )
    return Rotation(place)


def ask_venues(config: Config, data: Path) -> VenuesFound:
    """What a start would find at the real venues of a settings file."""
    return asyncio.run(open_fleet(config, data).examine(WallClock()))


def open_ward(data: Path) -> Ward:
    """What the watchdog of a data folder looks after, by the settings file of the last start. Raises `ConfigError`."""
    execution = load_remembered(data).execution
    return Ward(lambda: open_fleet(load_remembered(data), data), execution.validity_ns / 1e9)


class KeyRoom:
    """What looks after the keys beside an engine: who uses the vault, how old they are, and their exchange."""

    def __init__(self, runtime: Runtime, opened: Opened, changed: Callable[[], None]) -> None:
        """`changed` has whoever uses the keys look again. Raises `VaultError` for a vault older than the journal."""
        from engine.desk_keys import KeyShelf
        from engine.records import key_names
        from exchanges.shared.rotation import is_automatic
        from vault.following import Follower, refuse_older
        from vault.signer.opening import VAULT
        from vault.signer.turning import Turning

        put = runtime.loop.put
        self._path = runtime.data / VAULT
        self._runtime, self._opened, self.changed = runtime, opened, changed
        refuse_older(self._path, self._book())
        self._shelf = KeyShelf(key_names(runtime.config), runtime.desk.records.keys, self._book)
        accounts = [account.id for item in runtime.config.venues for account in item.accounts]
        self._shelf.by_program = frozenset(one for one in accounts if is_automatic(one.partition(":")[0]))
        runtime.desk.records.keys = self._shelf.look
        self._follower = Follower(self._path, self._book, put)
        self._turning = Turning(runtime.data / "venues", self, lambda: self._book().turns, put)

    def _book(self) -> KeyBook:
        return self._runtime.core.state.keys

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._follower.run(), self._turning.run(), self._look_for_ever())

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except (MoonDevError, OSError) as error:
                log.warning("what the vault has cannot be looked at: %s", error)
            await asyncio.sleep(KEYS_EVERY_S)

    async def look(self) -> None:
        """What the vault has now, and what in it is old."""
        opened, runtime = self._opened, self._runtime
        if opened.process is not None:
            held = (await opened.process.client.report()).keys
        elif opened.ring is not None:
            held = opened.ring.held()
        else:
            return
        self._shelf.held = {
            one.name: KeyStatus(
                account="",
                name=one.name,
                fingerprint=one.fingerprint,
                changed_ns=one.created_ns,
                kind=one.kind,
                used_ns=one.used_ns,
            )
            for one in held
        }
        for news in self._shelf.old(runtime.config.vault.remind_after_days, runtime.clock.now_ns()):
            runtime.loop.put(news)

    def open(self, key: str) -> Rotation:
        """The exchange of one key with the keys that this service has. Raises `ConfigError`."""
        opened = self._opened
        if opened.process is not None:
            client = opened.process.client
            return rotation_of(self._runtime.data, key, client, client.signers.__getitem__, client)
        if opened.ring is not None:
            from vault.signer.held import ServiceSecrets
            from vault.signer.local import LocalKeys

            local = LocalKeys(opened.ring)
            return rotation_of(self._runtime.data, key, local, local.signer, ServiceSecrets(opened.ring.vault))
        raise ConfigError("there is no vault, and keys are exchanged there alone: `./moondev vault init`")

    def put_ns(self, key: str) -> int:
        """When the vault was given the value that the key has now."""
        from vault.closed import records_of

        return records_of(self._path).get(key, 0)


def gateway_beside(runtime: Runtime, open_source: Callable[[], Source], on_address: Callable[[str], None]) -> Beside:
    """What runs beside an engine whose gateway is a process of its own."""
    from gateway.link.beside import Beside

    port = str(runtime.config.gateway.port)  # which the command line may have said
    words = (*PROGRAM, "gateway", "--managed", "--port", port, "--data", str(runtime.data))
    desk = runtime.desk
    beside = Beside(runtime.data, open_source, words, runtime.build, lambda: desk.codes_needed, on_address)
    parts = desk.records.parts
    desk.records.parts = lambda: (*parts(), beside.part())
    return beside


def own_gateway(data: Path, port: int | None, *, managed: bool) -> tuple[GatewayServer, LinkSource]:
    """The server and the link of a gateway that is a process of its own. Raises `ConfigError`."""
    from bot.rules import verb_rules
    from domain.settings import Environment
    from engine.config.parts import gateway_fields
    from engine.observe.build import build_hash
    from engine.terminal import open_log
    from gateway.access.doors import AccessSetup, address_of, open_access, open_front
    from gateway.app import create_app
    from gateway.gateway import GatewayConfig
    from gateway.link.client import LinkSource
    from gateway.server import GatewayServer
    from vault.service import FolderSecrets

    config = load_remembered(data)
    section, setup = config.gateway, convert(gateway_fields(config), AccessSetup)
    _, redactor = open_log(config, data, VERSION, "gateway")
    secrets = FolderSecrets(data, vault_fields, redactor.add, interactive=False)
    link = LinkSource(data, build=build_hash(), managed=managed)
    access = open_access(setup, data, secrets)
    front = open_front(access, setup, data, verb_rules(), lambda: link.codes_needed)
    look = GatewayConfig(environment=Environment(config.environment), version=VERSION)
    port = section.port if port is None else port
    server = GatewayServer(create_app(look, front, link), section.host, port, setup.outside)
    link.address = address_of(setup, section.host, server.port)
    return server, link
