"""What every venue is opened by."""

from decimal import Decimal

import pytest

from domain.errors import ConfigError
from exchanges.hyperliquid import open as hyperliquid
from exchanges.hyperliquid.config import MAINNET
from exchanges.shared.setup import (
    Terms,
    VenueAccount,
    VenueModule,
    VenueSetup,
    leveraged,
    network_of,
    venue_module,
    wanted,
)
from tests.exchanges.hyperliquid.desk import BTC

AS_ALL_VENUES: VenueModule = hyperliquid


def test_a_venue_is_found_by_its_name_in_any_case():
    assert venue_module("Hyperliquid") is hyperliquid


def test_an_unknown_venue_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="there is no venue 'binanse'; did you mean BINANCE"):
        venue_module("binanse")


def test_an_unknown_network_is_refused_with_those_there_are():
    setup = VenueSetup(venue="HYPERLIQUID", network="mainet")
    with pytest.raises(
        ConfigError, match=r"no network 'mainet'; did you mean mainnet\?; it has mainnet, testnet, local"
    ):
        network_of(setup, {"mainnet": 1, "testnet": 2}, 3)


@pytest.mark.parametrize(
    "address", ["localhost:1", "https://api.bybit.com", "http://127.0.0.1.example.com:80", "http://"]
)
def test_a_local_network_needs_an_address_on_this_machine(address):
    with pytest.raises(ConfigError, match=rf"base_url, http://127\.0\.0\.1:port; found '{address}'"):
        network_of(VenueSetup(venue="HYPERLIQUID", network="local", base_url=address), {}, 3)
    assert network_of(VenueSetup(venue="X", network="local", base_url="http://localhost:1"), {}, 3) == 3


def test_the_mainnet_is_that_of_the_venue():
    config = hyperliquid.config_of(VenueSetup(venue="HYPERLIQUID", network="mainnet"))
    assert (config.api_url, config.is_mainnet) == (MAINNET.api_url, True)


def test_a_contract_that_is_not_listed_is_named_with_the_nearest():
    setup = VenueSetup(venue="HYPERLIQUID", instruments=("BTC-USDT-PERP.HYPERLIQUID",))
    with pytest.raises(ConfigError, match=r"does not list BTC-USDT-PERP.HYPERLIQUID; did you mean BTC-USDC-PERP"):
        wanted(setup, [BTC])


def test_an_account_does_not_show_its_api_key():
    account = VenueAccount(id="BINANCE:main", key="binance_secret", api_key="k-1234567890")
    assert "1234567890" not in repr(account)
    assert "1234567890" not in repr(VenueSetup(venue="BINANCE", accounts=(account,)))


def test_a_configured_leverage_is_the_margin_that_the_contract_needs_and_never_more_than_the_venue_allows():
    assert leveraged(BTC, VenueSetup(venue="HYPERLIQUID", terms={BTC.id: Terms(margin="isolated")})) == BTC
    found = leveraged(BTC, VenueSetup(venue="HYPERLIQUID", terms={BTC.id: Terms(leverage=5)}))
    assert (found.initial_margin, found.maintenance_margin) == (Decimal("0.2"), BTC.maintenance_margin)
    with pytest.raises(ConfigError, match="HYPERLIQUID allows a leverage of 40 there, not 41"):
        leveraged(BTC, VenueSetup(venue="HYPERLIQUID", terms={BTC.id: Terms(leverage=41)}))
