"""The settings that `run --venue NAME-local` writes for itself."""

import stat

from engine.config import load_config
from engine.config.local import write_local
from engine.strategies.registry import BUILT_IN
from tests.exchanges.hyperliquid.serve import LOCAL

READY = {
    "venue": LOCAL.venue,
    "url": "http://127.0.0.1:1",
    "accounts": LOCAL.accounts,
    "secrets": LOCAL.secrets,
    "instruments": LOCAL.instruments,
}


def test_they_are_right_and_trade_on_what_the_venue_lists(tmp_path):
    config = load_config(write_local(tmp_path, [READY]), "testnet", {k: cls.params_type for k, cls in BUILT_IN.items()})
    assert [venue.network for venue in config.venues] == ["local"]
    assert [(s.kind, s.instruments) for s in config.strategies] == [
        ("market_maker", LOCAL.instruments[:1]),
        ("turtle", LOCAL.instruments[1:2]),
    ]
    assert config.persons


def test_several_venues_each_have_strategies_of_their_own(tmp_path):
    other = {"venue": "BINANCE", "url": "http://127.0.0.1:2", "secrets": {}, "instruments": ["BTC-USDT-PERP.BINANCE"]}
    account = {"id": "BINANCE:main", "currency": "USDT", "api_key": "binance_key", "key": "binance_secret"}
    config = load_config(write_local(tmp_path, [READY, other | {"accounts": [account]}]))
    assert [strategy.id for strategy in config.strategies] == [
        "maker-hyperliquid",
        "turtle-hyperliquid",
        "maker-binance",
    ]


def test_the_made_up_keys_are_added_to_the_private_secrets(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.touch(0o600)
    secrets.write_text("telegram_token = 1234567890")
    for _ in range(2):
        write_local(tmp_path, [READY])
    assert (
        secrets.read_text()
        == f"telegram_token = 1234567890\nhyperliquid_agent = {LOCAL.secrets['hyperliquid_agent']}\n"
    )
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
