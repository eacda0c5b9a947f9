"""The fail-over section: what it names exists, is the same asset at another venue, and is nobody else's."""

from pathlib import Path

import pytest

from domain.settings import SECOND_NS, FailoverSpec
from engine.config import Problems, load_config
from engine.config.settings import without_listed
from engine.strategies.registry import BUILT_IN as STRATEGIES

KINDS = {kind: cls.params_type for kind, cls in STRATEGIES.items()}
WORLD = """
venues:
  - name: hyperliquid
    instruments: [BTC-USDC-PERP.HYPERLIQUID]
    accounts: [{id: 'HYPERLIQUID:main', address: '0xabababababababababababababababababababab', key: agent}]
  - name: binance
    instruments: [BTC-USDT-PERP.BINANCE, ETH-USDT-PERP.BINANCE]
    accounts: [{id: 'BINANCE:main', api_key: binance_key, key: binance_secret}]
risk: {default_limits: {max_position_notional: 1000, max_order_notional: 1000}}
persons:
  - {id: ann, role: admin}
  - {id: bob, role: risk}
  - {id: cem, role: risk}
strategies:
  - {id: cross, kind: ema_cross, account: 'HYPERLIQUID:main', instruments: [BTC-USDC-PERP.HYPERLIQUID]}
  - {id: eth, kind: ema_cross, account: 'BINANCE:main', instruments: [ETH-USDT-PERP.BINANCE]}
failover:
"""
GOOD = "{instrument: BTC-USDC-PERP.HYPERLIQUID, backup: BTC-USDT-PERP.BINANCE, account: 'BINANCE:main'}"


def said(tmp_path: Path, *pairs: str, world: str = WORLD) -> list[str]:
    """What is wrong with these pairs."""
    file = tmp_path / "settings.yaml"
    file.write_text(world + "".join(f"  - {pair}\n" for pair in pairs), encoding="utf-8")
    try:
        load_config(file, "testnet", KINDS)
    except Problems as problems:
        return [str(problem) for problem in problems.problems if "failover" in str(problem)]
    return []


def test_a_right_pair_reaches_the_core_with_its_time(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"{WORLD}  - {GOOD[:-1]}, return_after: 90s}}\n", encoding="utf-8")
    assert without_listed(load_config(file, "testnet", KINDS)).failover == (
        FailoverSpec(
            instrument="BTC-USDC-PERP.HYPERLIQUID",
            backup="BTC-USDT-PERP.BINANCE",
            account="BINANCE:main",
            return_after_ns=90 * SECOND_NS,
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("BTC-USDT-PERP.BINANCE", "BTC-USDT-PERP.BINANC", "there is no instrument 'BTC-USDT-PERP.BINANC'"),
        ("BTC-USDT-PERP.BINANCE", "ETH-USDT-PERP.BINANCE", "is not the same asset"),
        ("BTC-USDT-PERP.BINANCE", "BTC-USDC-PERP.HYPERLIQUID", "at the same venue"),
        ("BINANCE:main", "HYPERLIQUID:main", "another venue"),
        ("BINANCE:main", "BINANCE:mian", "did you mean BINANCE:main"),
    ],
)
def test_a_wrong_pair_is_refused_in_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert any(words in line for line in said(tmp_path, GOOD.replace(old, new)))


def test_an_instrument_is_in_one_pair_only(tmp_path: Path) -> None:
    assert said(tmp_path, GOOD) == []
    assert any("in a fail-over already" in line for line in said(tmp_path, GOOD, GOOD))


def test_a_backup_that_somebody_else_owns_and_an_instrument_that_two_trade_are_refused(tmp_path: Path) -> None:
    owned = WORLD.replace("instruments: [ETH-USDT-PERP.BINANCE]", "instruments: [BTC-USDT-PERP.BINANCE]")
    assert any("eth already owns BTC-USDT-PERP.BINANCE" in line for line in said(tmp_path, GOOD, world=owned))
    second = "{id: two, kind: ema_cross, account: 'HYPERLIQUID:sub', instruments: [BTC-USDC-PERP.HYPERLIQUID]}"
    world = WORLD.replace("[{id: 'HYPERLIQUID:main'}", "[{id: 'HYPERLIQUID:main'}, {id: 'HYPERLIQUID:sub'}")
    world = world.replace("failover:", f"  - {second}\nfailover:")
    assert any("cross and two trade" in line for line in said(tmp_path, GOOD, world=world))
