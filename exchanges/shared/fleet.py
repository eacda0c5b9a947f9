"""All real venues of one service, opened alike: contracts, order sides, market data.

What is wrong with one of them is that one's affair: it is told, and the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec import Struct, convert
from msgspec.structs import replace

from domain.errors import ConfigError, MoonDevError, VenueError
from domain.instrument import AccountId, Instrument
from domain.ports import Clock, MarketFeed, Secrets, Signer, SignRequest, Venue
from domain.views import KeyView, VenuesFound
from exchanges.shared.setup import RealVenue, VenueModule, VenueSetup, venue_module

log = logging.getLogger(__name__)

READ_WITHIN_S = 30.0
NEXT = ".next"
"""A key of this name plus that is to take its place."""
T = TypeVar("T")


class Listed(Struct, frozen=True):
    """Contracts as the venues have them now, and why those of the others are not known."""

    instruments: tuple[Instrument, ...] = ()
    problems: tuple[str, ...] = ()

    def checked(self, *, is_first: bool) -> tuple[str, ...]:
        """The problems that a start may live with. Raises `ConfigError` for any at a first one."""
        if is_first and self.problems:
            raise ConfigError(
                f"a first start reads every contract from its venue: {'; '.join(self.problems)}. Mend it, or take that "
                "venue out"
            )
        return self.problems


class Keys(Protocol):
    """Where secrets and signatures come from; either may be opened when it is first asked for (`ConfigError`)."""

    @property
    def secrets(self) -> Secrets:
        """By name."""
        ...

    @property
    def signers(self) -> Mapping[str, Signer] | None:
        """The vault's, by venue. None: there is no vault, and `secrets` has plain keys, never good for mainnet."""
        ...


class PlainKeys(NamedTuple):
    """Keys in plain text among the secrets."""

    secrets: Secrets
    signers: Mapping[str, Signer] | None = None


class Fleet:
    """The venues of `setups`; each keeps in `folder` what it must.

    The API keys of the accounts in `setups` are names of secrets; their values are put there when a venue is opened.

    Raises `ConfigError` for a venue that is not built.
    """

    def __init__(self, setups: Sequence[VenueSetup], keys: Keys, folder: Path) -> None:
        self.setups = {setup.venue: replace(setup, folder=folder / setup.venue.lower()) for setup in setups}
        self._modules: dict[str, VenueModule] = {name: venue_module(name) for name in self.setups}
        self._keys = keys
        self._api_keys: dict[str, list[str]] = {}
        """Of the accounts of each venue, as it was last opened."""

    def unlock(self) -> None:
        """Have the keys ready. Raises `ConfigError`."""
        _ = self._keys.signers

    async def read(self) -> Listed:
        """Ask every venue for its contracts, at the same time."""
        answers = await asyncio.gather(*(self._told(name, self._read(name)) for name in self.setups))
        found = [instrument for answer in answers if isinstance(answer, list) for instrument in answer]
        return Listed(tuple(found), tuple(answer for answer in answers if isinstance(answer, str)))

    async def examine(self, clock: Clock) -> VenuesFound:
        """Ask every venue for its contracts, and look at every account as a start does, without setting anything."""
        answers = await asyncio.gather(*(self._told(name, self._examine(name, clock)) for name in self.setups))
        return VenuesFound(
            problems=tuple(answer for answer in answers if isinstance(answer, str)),
            keys=tuple(key for answer in answers if not isinstance(answer, str) for key in answer),
        )

    async def _read(self, name: str) -> list[Instrument]:
        setup, module = self.setups[name], self._modules[name]
        if not setup.instruments:
            return []
        setup = self._with_keys(setup)
        signer = self._signer(setup) if setup.accounts else None
        return await module.read_instruments(setup, signer)

    async def _examine(self, name: str, clock: Clock) -> tuple[KeyView, ...]:
        instruments, setup = await self._read(name), self.setups[name]
        if not setup.accounts:
            return ()
        # what the venue keeps belongs to the service, which may be running
        with tempfile.TemporaryDirectory() as folder:
            venue = self._open(replace(setup, folder=Path(folder)), instruments, clock)
            try:
                return await venue.check()
            finally:
                await venue.aclose()

    async def _told(self, name: str, asked: Coroutine[Any, Any, T]) -> T | str:
        """What a venue has told, or why it has not."""
        network = self.setups[name].network
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                return await asked
        except TimeoutError:
            return f"{name} ({network}) did not tell of its contracts and accounts within {READ_WITHIN_S:g} s"
        except (MoonDevError, OSError) as error:
            return f"{name} ({network}): {error}"
        except Exception as error:
            log.exception("%s could not be asked", name)
            return f"{name} ({network}): an error of ours: {type(error).__name__}: {error}"

    def open_venue(
        self, name: str, instruments: Sequence[Instrument], since_ns: Mapping[AccountId, int], clock: Clock
    ) -> Venue:
        """The order side of a venue, not started, for the accounts in `since_ns`. Raises `ConfigError`.

        `since_ns` is up to which time of the venue's clock an account is known already (0 = it is new).
        """
        setup = self.setups[name]
        if setup.folder is not None:
            setup.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        accounts = tuple(replace(a, since_ns=since_ns[a.id]) for a in setup.accounts if a.id in since_ns)
        return self._open(replace(setup, accounts=accounts), instruments, clock)

    def _open(self, setup: VenueSetup, instruments: Sequence[Instrument], clock: Clock) -> RealVenue:
        self._api_keys[setup.venue] = self._values(setup)
        setup, module = self._with_keys(setup), self._modules[setup.venue]
        signer = self._signer(setup)
        mine = [instrument for instrument in instruments if instrument.venue == setup.venue]
        return module.open_venue(setup, clock, signer, mine)

    def _signer(self, setup: VenueSetup) -> Signer:
        """The vault's, where there is one. Raises `ConfigError`."""
        signers = self._keys.signers
        if signers is None:
            return self._modules[setup.venue].open_signer(setup, self._keys.secrets)
        signer = signers.get(setup.venue)
        if signer is None:
            raise ConfigError(
                f"the signer has no keys for {setup.venue}: it reads the settings when it starts. End it and start it "
                "again (./moondev signer)"
            )
        return signer

    def _with_keys(self, setup: VenueSetup) -> VenueSetup:
        """API keys by value. Raises `ConfigError` for one that is not there."""
        accounts = [replace(a, api_key=self._keys.secrets.get(a.api_key)) if a.api_key else a for a in setup.accounts]
        return replace(setup, accounts=tuple(accounts))

    def _values(self, setup: VenueSetup) -> list[str]:
        return [self._keys.secrets.get(account.api_key) for account in setup.accounts if account.api_key]

    def with_other_keys(self) -> list[str]:
        """Venues whose connections have the public half of a key that is another one by now; dYdX's may."""
        found = []
        for name, setup in self.setups.items():
            try:
                is_other = name == "DYDX" or self._api_keys.get(name, []) != self._values(setup)
            except ConfigError as error:
                log.error("%s", error)  # noqa: TRY400
                continue
            found += [name] if is_other and setup.accounts else []
        return found

    def open_feed(self, name: str, instruments: Sequence[Instrument], clock: Clock) -> MarketFeed:
        """The market data of a venue, not started. Raises `ConfigError`."""
        mine = [instrument for instrument in instruments if instrument.venue == name]
        return self._modules[name].open_feed(self.setups[name], clock, mine)


def setups_of(fields: Sequence[Mapping[str, Any]]) -> list[VenueSetup]:
    """The venues of a settings file."""
    return [convert(each, VenueSetup) for each in fields]


class VaultKeys(Secrets, Protocol):
    """The keys of an open vault; `owners` may approve, and nothing else. Nobody has the other halves of `burned`."""

    @property
    def burned(self) -> Sequence[str]:
        """Public halves."""
        ...

    def owners(self) -> list[str]:
        """Accounts' own keys."""
        ...


def open_signers(fields: Sequence[Mapping[str, Any]], keys: VaultKeys) -> dict[str, Signer]:
    """The signers of the vault's keys, by venue: for the process that holds the vault open, and no other.

    A key that is to take another's place signs too. What is wrong with the keys of one venue is that one's affair: its
    signer says so, and the others sign.
    """
    found: dict[str, Signer] = {}
    for setup in setups_of(fields):
        if setup.accounts:
            try:
                found[setup.venue] = _signer_of(setup, keys)
            except ConfigError as error:
                log.error("%s: %s", setup.venue, error)  # noqa: TRY400
                found[setup.venue] = Unopened(str(error))
    return found


class Unopened:
    """Stands where a venue's signer would be, and says why there is none."""

    def __init__(self, problem: str) -> None:
        self._problem = problem

    async def sign(self, _requests: Sequence[SignRequest]) -> list[bytes]:
        """Never. Raises `VenueError`."""
        raise VenueError(self._problem)


def _signer_of(setup: VenueSetup, keys: VaultKeys) -> Signer:
    """One venue's. Raises `ConfigError` for a key that is not there, or is none."""
    later = [replace(a, key=a.key + NEXT) for a in setup.accounts if keys.has(a.key + NEXT)]
    module = venue_module(setup.venue)
    signer = module.open_signer(replace(setup, accounts=(*setup.accounts, *later)), keys, from_vault=True)
    with_owners = getattr(module, "with_owners", None)
    if with_owners is None:
        return signer
    both: Signer = with_owners(setup, signer, keys.owners(), keys.burned)
    return both


def make_key(venue: str) -> tuple[str, str]:
    """A new key and its public half. Raises `ConfigError` where the venue makes keys itself."""
    make = getattr(venue_module(venue), "new_key", None)
    if make is None:
        raise ConfigError(f"{venue} makes its keys itself: make one at its page of API keys")
    made: tuple[str, str] = make()
    return made
