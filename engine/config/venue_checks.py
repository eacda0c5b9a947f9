"""What the section `venues` must keep: ids of its own venue, the network of the environment, what an account needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from domain.errors import Unrepresentable
from domain.instrument import parse_instrument_id
from domain.loopback import is_loopback
from engine.config.models import Config
from engine.config.problem import KeyPath
from engine.config.venues import VenueSection
from engine.config.words import found, nearest

Finding = tuple[KeyPath, str]
NO_MAINNET = "only a live file trades on mainnet: write `environment: live`, use testnet, or leave the accounts out"
_NEEDS = {"hyperliquid": ("address", "key"), "dydx": ("address", "key", "authenticator_id")}
_NEEDS_OTHERWISE = ("api_key", "key")
_ADDRESS = {
    "hyperliquid": (re.compile(r"0x[0-9a-fA-F]{40}"), "0x and 40 hexadecimal digits"),
    "dydx": (re.compile(r"dydx1[0-9a-z]{38}"), "dydx1 and 38 letters and digits"),
}


def venues(config: Config) -> Iterator[Finding]:
    """Each venue once, on a network that the environment allows, with ids of its own."""
    if config.environment == "paper" and config.venues:
        yield ("venues",), "the paper environment trades on the paper venue alone: write a file for testnet"
    seen: set[str] = set()
    for i, item in enumerate(config.venues):
        path: KeyPath = ("venues", i)
        if item.name in seen:
            yield (*path, "name"), f"{item.name} stands twice; a venue has one network and any number of accounts"
        seen.add(item.name)
        yield from _network(config, item, path)
        yield from _instruments(item, path)
        yield from _accounts(item, path)


def _network(config: Config, item: VenueSection, path: KeyPath) -> Iterator[Finding]:
    network = config.network_of(item)
    if config.environment == "live" and network != "mainnet":
        yield (*path, "network"), f"a live file is for mainnet, found {found(network)}; the test networks are testnet's"
    if network == "mainnet" and item.accounts and config.environment != "live":
        yield (*path, "accounts"), NO_MAINNET
    address = urlsplit(item.base_url)
    if network == "local" and not (address.scheme in {"http", "https"} and is_loopback(address.hostname or "")):
        yield (
            (*path, "base_url"),
            "the network local needs the address of its server on this machine, http://127.0.0.1:port",
        )
    if network != "local" and item.base_url:
        yield (*path, "base_url"), f"{item.name} knows its own addresses; base_url is for the network local"


def _instruments(item: VenueSection, path: KeyPath) -> Iterator[Finding]:
    for j, name in enumerate(item.instruments):
        here = (*path, "instruments", j)
        try:
            venue = parse_instrument_id(name)[2]
        except Unrepresentable as error:
            yield here, str(error)
            continue
        if venue != item.id:
            yield here, f"{name} is not of this venue; its ids end in .{item.id}"
        if item.instruments.index(name) != j:
            yield here, f"{name} is listed twice"
    for name in item.terms:
        if name not in item.instruments:
            yield (*path, "terms", name), f"there is no instrument {found(name)}{nearest(name, item.instruments)}"


def _accounts(item: VenueSection, path: KeyPath) -> Iterator[Finding]:
    needs = _NEEDS.get(item.name, _NEEDS_OTHERWISE)
    ids = [account.id for account in item.accounts]
    for j, account in enumerate(item.accounts):
        here = (*path, "accounts", j)
        venue, _, label = account.id.partition(":")
        if venue != item.id or not label:
            yield (*here, "id"), f"expected {item.id}:label such as {item.id}:main, found {found(account.id)}"
        if ids.index(account.id) != j:
            yield (*here, "id"), f"the id {found(account.id)} stands twice; ids are unique"
        for key in needs:
            if getattr(account, key) in {None, ""}:
                yield here, f"{item.name} needs {key}: {_MEANS[key]}"
        pattern, form = _ADDRESS.get(item.name, (None, ""))
        if pattern is not None and account.address and not pattern.fullmatch(account.address):
            yield (*here, "address"), f"expected {form}, found {found(account.address)}"


_MEANS = {
    "address": "the account's address",
    "key": "the name of the secret that signs, whose value is in the secrets file",
    "authenticator_id": "of the account's authenticator for a permissioned key, which cannot withdraw (docs/venues.md)",
    "api_key": "the name of the secret that holds the API key",
}
