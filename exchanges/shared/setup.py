"""How a venue is set up and opened, the same for all of them.

Every venue package has a module `open.py` with the functions of `VenueModule`; `venue_module` finds it. Whoever opens
venues fills in a `VenueSetup` and knows nothing else of them:

    module = venue_module("BINANCE")
    signer = module.open_signer(setup, secrets)
    instruments = await module.read_instruments(setup, signer)
    venue = module.open_venue(setup, clock, signer, instruments)
    feed = module.open_feed(setup, clock, instruments)
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from domain.errors import ConfigError
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.loopback import is_loopback
from domain.ports import Clock, HistorySource, MarketFeed, Secrets, Signer, Venue
from domain.views import KeyView

VENUES = ("HYPERLIQUID", "BINANCE", "BYBIT", "PHEMEX", "DYDX")
"""The venues there are; the package of each is its name in lower case."""
MAINNET, TESTNET, LOCAL = "mainnet", "testnet", "local"
"""Names of networks. What a venue calls its demo is our testnet; local is a server at `VenueSetup.base_url`."""

PLAIN_KEY = "a plain key does not sign for mainnet: keep it in the vault (`moondev vault add`), whose signer does"
OTHER_NETWORK = "this key signs for mainnet alone, and was asked to sign for another network"

T = TypeVar("T")


class VenueAccount(Struct, frozen=True, kw_only=True):
    """One account at a venue: who it is there, and the name of the key that signs for it (`SignRequest.key`).

    Hyperliquid: `address`, and `key` names its agent's key. dYdX: `address`, `subaccount`, and `key` names the
    permissioned key of `authenticator_id`. Binance, Bybit and Phemex: `api_key` is the public half of the API key, and
    `key` names its secret half.
    """

    id: AccountId
    key: str = ""
    """The name of a secret; the value is the signer's alone."""
    api_key: str = ""
    """The value, which goes into requests. It is read from the secrets file and never shown."""
    address: str = ""
    subaccount: int = 0
    authenticator_id: int | None = None
    is_vault: bool = False
    """The address is a sub-account or vault, whose orders its master's key signs."""
    cannot_withdraw: bool = False
    """The settings vouch for the key. It counts only where the venue does not tell."""
    since_ns: int = 0
    """Fills and funding before this time of the venue's clock are known already; 0 = tell what comes from now on."""

    def __repr__(self) -> str:
        """Without the API key."""
        return f"VenueAccount({self.id!r}, key={self.key!r}, address={self.address!r}, subaccount={self.subaccount})"


class Terms(Struct, frozen=True, kw_only=True):
    """How an instrument is to be margined; set when the venue starts. `leverage` 0 = as it is there."""

    margin: Literal["cross", "isolated"] = "cross"
    leverage: int = 0


class VenueSetup(Struct, frozen=True, kw_only=True):
    """One venue on one network, with the accounts that are traded there.

    `instruments` are the ids that are wanted; empty = every contract of the venue. `folder` is where the venue may
    keep what must outlive a restart (an id map); it exists.
    """

    venue: str
    network: str = TESTNET
    base_url: str = ""
    """Of a server on this machine, `http://127.0.0.1:port`; its WebSockets are there too. Only with LOCAL."""
    accounts: tuple[VenueAccount, ...] = ()
    instruments: tuple[InstrumentId, ...] = ()
    terms: Mapping[InstrumentId, Terms] = field(default_factory=dict)
    connect_timeout_s: float = 10.0
    folder: Path | None = None

    @property
    def is_mainnet(self) -> bool:
        """Whether real money is there."""
        return self.network == MAINNET

    @property
    def base_ws_url(self) -> str:
        """`base_url` for WebSockets."""
        return self.base_url.replace("http", "ws", 1)


class RealVenue(Venue, Protocol):
    """A venue with accounts of people, not simulated here."""

    async def check(self) -> tuple[KeyView, ...]:
        """Everything that `start` refuses, looked at without setting or sending anything; then comes `aclose`.

        Returns how it is known of each account's key that it cannot withdraw. Raises as `start` does.
        """
        ...


class VenueModule(Protocol):
    """The functions of a venue's `open.py`."""

    @property
    def NETWORKS(self) -> Mapping[str, object]:  # noqa: N802 - a constant of the module
        """What the venue has at each of its networks, by name."""
        ...

    def open_signer(self, setup: VenueSetup, secrets: Secrets, *, from_vault: bool = False) -> Signer:
        """A signer with the keys of the accounts, which it reads by name; for mainnet only those of the vault.

        Raises `ConfigError`.
        """
        ...

    async def read_instruments(self, setup: VenueSetup, signer: Signer | None = None) -> list[Instrument]:
        """The wanted contracts as the venue has them now: scales, steps, limits, margins and fees.

        With a signer (or an address) the fees are those of the first account, else those of a newcomer.
        Raises `VenueError` when the venue does not answer, `ConfigError` for a contract that it does not list.
        """
        ...

    def open_venue(
        self, setup: VenueSetup, clock: Clock, signer: Signer, instruments: Sequence[Instrument]
    ) -> RealVenue:
        """The order side, not started. An order of an earlier run can be asked about and cancelled by its client id."""
        ...

    def open_feed(self, setup: VenueSetup, clock: Clock, instruments: Sequence[Instrument]) -> MarketFeed:
        """The public market data, not started. Needs no account."""
        ...

    def open_history(self, setup: VenueSetup) -> HistorySource:
        """Past market data. Needs no account."""
        ...


def venue_module(venue: str) -> VenueModule:
    """The `open.py` of a venue, by its name in any case. Raises `ConfigError` for a venue that is not there."""
    name = venue.upper()
    if name not in VENUES:
        raise ConfigError(f"there is no venue {venue!r:.40}{nearest(name, VENUES)}; there are {', '.join(VENUES)}")
    path = f"exchanges.{name.lower()}.open"
    try:
        return cast("VenueModule", importlib.import_module(path))
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise ConfigError(f"the venue {name} is not built yet") from None


def signs_mainnet(setup: VenueSetup, *, from_vault: bool) -> bool:
    """Whether the setup's keys are to sign for mainnet. Raises `ConfigError` for such keys outside the vault."""
    if setup.is_mainnet and not from_vault:
        raise ConfigError(f"{setup.venue}: {PLAIN_KEY}")
    return setup.is_mainnet


def network_of(setup: VenueSetup, networks: Mapping[str, T], local: T) -> T:
    """What belongs to the network of a setup: one of `networks`, or `local`, made from `base_url`.

    Raises `ConfigError` for a network that the venue does not have, and for a local one without an address.
    """
    if setup.network == LOCAL:
        address = urlsplit(setup.base_url)
        if address.scheme not in {"http", "https"} or not is_loopback(address.hostname or ""):
            raise ConfigError(
                f"{setup.venue}: the network local needs the server's address on this machine as base_url, "
                f"http://127.0.0.1:port; found {setup.base_url!r:.60}"
            )
        return local
    if setup.network not in networks:
        names = [*networks, LOCAL]
        raise ConfigError(
            f"{setup.venue} has no network {setup.network!r:.40}{nearest(setup.network, names)}; it has "
            f"{', '.join(names)}"
        )
    return networks[setup.network]


def wanted(setup: VenueSetup, listed: Sequence[Instrument]) -> list[Instrument]:
    """Those of the listed contracts that the setup names, in its order; all of them when it names none.

    Raises `ConfigError` for those that are not listed, with the nearest that is.
    """
    if not setup.instruments:
        return list(listed)
    known = {instrument.id: instrument for instrument in listed}
    missing = [name for name in setup.instruments if name not in known]
    if missing:
        said = ", ".join(f"{name}{nearest(name, known)}" for name in missing)
        raise ConfigError(f"{setup.venue} ({setup.network}) does not list {said}")
    return [known[name] for name in setup.instruments]


def leveraged(instrument: Instrument, setup: VenueSetup) -> Instrument:
    """The contract with the margin that its configured leverage needs, when the venue's listed margin is the least.

    Raises `ConfigError` for a leverage that the venue does not allow.
    """
    terms = setup.terms.get(instrument.id)
    if terms is None or not terms.leverage:
        return instrument
    most = int(1 / instrument.initial_margin)
    if terms.leverage > most:
        raise ConfigError(f"{instrument.id}: {setup.venue} allows a leverage of {most} there, not {terms.leverage}")
    return replace(instrument, initial_margin=(Decimal(1) / terms.leverage).quantize(Decimal("0.0001")))


def nearest(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    """`; did you mean X?` for the most similar name, or nothing."""
    matches = difflib.get_close_matches(name[:80], list(names), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""
