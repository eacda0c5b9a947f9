"""What may be signed for Phemex, judged from the bytes alone."""

import pytest

from domain.errors import ConfigError, VenueError
from domain.ports import SignRequest
from exchanges.phemex.config import ALLOWED, LOGIN, NETWORKS, names_of, network_at
from exchanges.shared.setup import LOCAL, MAINNET, TESTNET, VenueSetup
from exchanges.viaccxt.signing import HmacSigner

EXPIRY = "1795961441"
KEY = "806066b0-f02b-4d3e-b444-76ec718e1023"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("order", f'/g-orders{EXPIRY}{{"clOrdID":"a-1","symbol":"BTCUSDT","reduceOnly":false}}'),
        ("amend", f"/g-orders/replacesymbol=BTCUSDT&posSide=Merged&origClOrdID=a-1&priceRp=1{EXPIRY}"),
        ("cancel", f"/g-orders/cancelsymbol=BTCUSDT&posSide=Merged&clOrdID=a-1{EXPIRY}"),
        ("read", f"/g-accounts/accountPositionscurrency=USDT{EXPIRY}"),
        ("terms", f"/g-positions/leveragesymbol=BTCUSDT&leverageRr=-5{EXPIRY}"),
        (LOGIN, f"{KEY}{EXPIRY}"),
    ],
)
async def test_what_we_ask_is_signed(action, payload):
    signer = HmacSigner({"main": "secret"}, names_of, ALLOWED)
    [signed] = await signer.sign([SignRequest(key="main", action=action, payload=payload.encode())])
    assert len(signed) == 32


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("order", f'/phemex-withdraw/wallets/api/createWithdraw{EXPIRY}{{"amount":"1"}}'),
        ("order", f'/assets/transfer{EXPIRY}{{"amountEv":1,"moveOp":1}}'),
        ("order", f'/g-orders{EXPIRY}{{"symbol":"BTCUSDT","address":"elsewhere"}}'),
        ("read", f'/g-orders{EXPIRY}{{"symbol":"BTCUSDT"}}'),
        ("read", f"/g-positions/switch-pos-mode-syncsymbol=BTCUSDT&targetPosMode=Hedged{EXPIRY}"),
        (LOGIN, f"/g-orders/cancelsymbol=BTCUSDT{EXPIRY}"),
        ("read", "/g-accounts/accountPositionscurrency=USDT"),
    ],
)
async def test_what_we_never_ask_is_not_signed_under_any_name(action, payload):
    signer = HmacSigner({"main": "secret"}, names_of, ALLOWED)
    with pytest.raises(VenueError, match="signer"):
        await signer.sign([SignRequest(key="main", action=action, payload=payload.encode())])


def test_the_networks_are_mainnet_testnet_and_a_local_one():
    assert set(NETWORKS) == {MAINNET, TESTNET}
    assert network_at(VenueSetup(venue="PHEMEX")).rest == "https://testnet-api.phemex.com"
    local = VenueSetup(venue="PHEMEX", network=LOCAL, base_url="http://127.0.0.1:80")
    assert network_at(local).ws == "ws://127.0.0.1:80/ws"
    with pytest.raises(ConfigError, match="mainet"):
        network_at(VenueSetup(venue="PHEMEX", network="mainet"))
