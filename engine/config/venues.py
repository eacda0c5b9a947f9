"""The section `venues`: real exchanges, what is traded there and for whom.

Contracts are named by id alone: their steps, limits, margins and fees are read from the venue at every start.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.config.fields import Count, Name, PositiveDurationNs, Text
from engine.config.section import Section

Network = Literal["mainnet", "testnet", "local"]


class VenueAccountSection(Section):
    """One account at a venue, `VENUE:label`. `key` and `api_key` name secrets; what a venue needs: docs/venues.md."""

    id: Text
    currency: Literal["USDC", "USDT", "USD"] = "USDC"
    on_foreign_order: Literal["ask", "cancel", "adopt"] = "ask"
    """What becomes of an order at the venue that this engine did not place."""
    address: Text = ""
    key: Name | None = None
    api_key: Name | None = None
    subaccount: Count = 0
    authenticator_id: Count | None = None
    """dYdX: which authenticator of the account is for the key. They count from 0."""
    is_vault: bool = False
    """The address is a sub-account or vault; the key is its master's agent."""
    cannot_withdraw: bool = False
    """A person has seen at the venue's page of API keys that the key cannot. Needed where the venue does not tell."""


class TermsSection(Section):
    """How an instrument is margined there; set at the start. Leverage 0 = as it is."""

    margin: Literal["cross", "isolated"] = "cross"
    leverage: int = Field(default=0, ge=0, le=1000)


class VenueSection(Section):
    """One venue on one network. Without accounts it is only watched."""

    name: Literal["hyperliquid", "binance", "bybit", "phemex", "dydx"]
    network: Network | None = None
    """When left out: mainnet in a live file, testnet otherwise."""
    base_url: Text = ""
    """Of a server on this machine, http://host:port; only with the network local."""
    connect_timeout_ns: PositiveDurationNs = Field(default=10 * 10**9, alias="connect_timeout")
    instruments: list[Text] = []
    accounts: list[VenueAccountSection] = []
    terms: dict[str, TermsSection] = {}

    @property
    def id(self) -> str:
        """The venue as instrument and account ids have it."""
        return self.name.upper()
