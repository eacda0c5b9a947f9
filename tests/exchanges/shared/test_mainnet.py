"""Mainnet's bytes are signed with keys of the vault, and with no other; each key signs for one network."""

from typing import Any

import pytest

from domain.errors import ConfigError, VenueError
from domain.ports import Signer, SignRequest
from exchanges.dydx import chain
from exchanges.dydx.config import MAINNET as DYDX_MAINNET
from exchanges.dydx.config import TESTNET as DYDX_TESTNET
from exchanges.hyperliquid.signing import l1_payload
from exchanges.shared.fleet import Fleet, PlainKeys, open_signers
from exchanges.shared.setup import VENUES, VenueAccount, VenueSetup, venue_module
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.exchange_room import MASTER

KEY = "11" * 32


class Keys:
    """Good for every venue."""

    burned = ()

    def owners(self) -> list[str]:
        return []

    def get(self, name: str) -> str:
        return KEY

    def has(self, name: str) -> bool:
        return name == "trader"


def setup_of(venue: str, network: str) -> VenueSetup:
    address = MASTER if venue == "HYPERLIQUID" else "dydx1" + "q" * 38
    account = VenueAccount(id=f"{venue}:main", key="trader", api_key="public", address=address, authenticator_id=1)
    return VenueSetup(venue=venue, network=network, accounts=(account,))


def fields_of(venue: str, network: str) -> dict[str, Any]:
    accounts = [{"id": f"{venue}:main", "key": "trader"}]
    return {"venue": venue, "network": network, "accounts": accounts}


def request_of(venue: str, network: str) -> SignRequest:
    """Something harmless that the venue's signer signs."""
    is_mainnet = network == "mainnet"
    if venue == "HYPERLIQUID":
        return SignRequest(key="trader", action="noop", payload=l1_payload({"type": "noop"}, 1, is_mainnet=is_mainnet))
    if venue == "DYDX":
        chain_id = (DYDX_MAINNET if is_mainnet else DYDX_TESTNET).chain_id
        doc = chain.sign_doc(
            chain.BATCH_CANCEL, b"", public_key=b"", nonce=0, account_number=0, chain_id=chain_id, authenticator=0
        )
        return SignRequest(key="trader", action="batchCancel", payload=doc)
    payloads = {
        "BINANCE": b"timestamp=1700000000000&symbol=BTCUSDT",
        "BYBIT": b"1700000000000public5000category=linear",
        "PHEMEX": b"/g-orders/activeListsymbol=BTCUSDT1700000000",
    }
    return SignRequest(key="trader", action="read", payload=payloads[venue])


@pytest.mark.parametrize("venue", VENUES)
async def test_the_vaults_keys_sign_for_mainnet_and_plain_ones_do_not(venue):
    [signer] = open_signers([fields_of(venue, "mainnet")], Keys()).values()
    assert len(await signer.sign([request_of(venue, "mainnet")])) == 1
    with pytest.raises(ConfigError, match="a plain key does not sign for mainnet: keep it in the vault"):
        venue_module(venue).open_signer(setup_of(venue, "mainnet"), Keys())
    plain = venue_module(venue).open_signer(setup_of(venue, "testnet"), Keys())
    assert len(await plain.sign([request_of(venue, "testnet")])) == 1


@pytest.mark.parametrize("venue", ["HYPERLIQUID", "DYDX"])
async def test_a_key_signs_for_its_own_network_alone(venue):
    """Where the bytes name the network. An HMAC does not: there a key is of one network by itself."""
    signers: dict[str, Signer] = {
        network: open_signers([fields_of(venue, network)], Keys())[venue] for network in ("mainnet", "testnet")
    }
    with pytest.raises(VenueError, match="signs for mainnet alone"):
        await signers["mainnet"].sign([request_of(venue, "testnet")])
    with pytest.raises(VenueError, match="a plain key does not sign for mainnet"):
        await signers["testnet"].sign([request_of(venue, "mainnet")])


@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_on_mainnet_opens_with_the_vaults_signers_alone(tmp_path, venue):
    """It is opened and never started: nothing is asked of the venue itself."""
    setup = setup_of(venue, "mainnet")
    account = setup.accounts[0].id
    signers = open_signers([fields_of(venue, "mainnet")], Keys())
    Fleet([setup], PlainKeys(Keys(), signers), tmp_path).open_venue(venue, [], {account: 0}, WallClock())
    with pytest.raises(ConfigError, match="a plain key does not sign for mainnet"):
        Fleet([setup], PlainKeys(Keys()), tmp_path).open_venue(venue, [], {account: 0}, WallClock())
    with pytest.raises(ConfigError, match=f"the signer has no keys for {venue}"):
        Fleet([setup], PlainKeys(Keys(), {}), tmp_path).open_venue(venue, [], {account: 0}, WallClock())


def test_a_venue_without_accounts_needs_no_signer():
    assert open_signers([{"venue": "BYBIT", "network": "mainnet"}], Keys()) == {}


async def test_a_key_that_is_missing_is_its_venues_affair_and_the_others_sign():
    class Some(Keys):
        def get(self, name: str) -> str:
            if name == "gone":
                raise ConfigError("the vault has no key 'gone'")
            return super().get(name)

    missing = {"venue": "BYBIT", "network": "mainnet", "accounts": [{"id": "BYBIT:main", "key": "gone"}]}
    signers = open_signers([missing, fields_of("PHEMEX", "mainnet")], Some())
    assert len(await signers["PHEMEX"].sign([request_of("PHEMEX", "mainnet")])) == 1
    with pytest.raises(VenueError, match="the vault has no key 'gone'"):
        await signers["BYBIT"].sign([request_of("BYBIT", "mainnet")])
