"""A strategy at several venues names an account at each; what is missing, twice or useless is said in words."""

from pathlib import Path

import pytest

from engine.config import Problems, load_config
from engine.config.settings import without_listed
from engine.strategies.registry import BUILT_IN as STRATEGIES
from tests.engine.config.test_failover import GOOD, WORLD

KINDS = {kind: cls.params_type for kind, cls in STRATEGIES.items()}
LEGS = (
    "  - {id: legs, kind: bench_alternator, account: 'HYPERLIQUID:main', accounts: ['BINANCE:main'], "
    "instruments: [BTC-USDC-PERP.HYPERLIQUID, BTC-USDT-PERP.BINANCE]}\n"
)
HEAD = WORLD.partition("strategies:\n")[0] + "strategies:\n"


def said(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a settings file."""
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load_config(file, "testnet", KINDS)
    except Problems as problems:
        return [str(problem) for problem in problems.problems]
    return []


def test_the_accounts_of_a_strategy_reach_the_core(tmp_path: Path) -> None:
    assert said(tmp_path, HEAD + LEGS) == []
    [spec] = without_listed(load_config(tmp_path / "settings.yaml", "testnet", KINDS)).strategies
    assert spec.all_accounts == ("HYPERLIQUID:main", "BINANCE:main")
    assert spec.account_of("BTC-USDT-PERP.BINANCE") == "BINANCE:main"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("accounts: ['BINANCE:main'], ", "", "accounts: [BINANCE:label] names one there"),
        ("['BINANCE:main']", "['BINANCE:mian']", "did you mean BINANCE:main"),
        ("['BINANCE:main']", "['BINANCE:main', 'BINANCE:main']", "BINANCE:main is listed twice"),
        ("['BINANCE:main']", "['BINANCE:main', 'HYPERLIQUID:main']", "HYPERLIQUID:main is listed twice"),
        (", BTC-USDT-PERP.BINANCE]", "]", "none of its instruments is at the venue of BINANCE:main"),
    ],
)
def test_accounts_that_cannot_be_are_refused_in_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    found = said(tmp_path, HEAD + LEGS.replace(old, new))
    assert any(words in line for line in found), found


def test_a_leg_that_another_strategy_owns_and_a_backup_of_a_leg_are_refused(tmp_path: Path) -> None:
    other = "  - {id: other, kind: ema_cross, account: 'BINANCE:main', instruments: [BTC-USDT-PERP.BINANCE]}\n"
    assert any(
        "legs already owns BTC-USDT-PERP.BINANCE on BINANCE" in line for line in said(tmp_path, HEAD + LEGS + other)
    )
    found = said(tmp_path, f"{HEAD}{LEGS}failover:\n  - {GOOD}\n")
    assert any("legs trades at several venues: its legs have no backup" in line for line in found)


TWO_PAPER = """
instruments:
  - {id: BTC-USDC-PERP.PAPER, symbol: BTC, tick_size: 0.1, lot_size: 0.001, typical_price: 60000}
  - {id: BTC-USDT-PERP.PAPER2, symbol: BTC, tick_size: 0.1, lot_size: 0.001, typical_price: 60000}
accounts:
  - {id: "PAPER:main", deposit: 50000}
  - {id: "PAPER2:main", currency: USDT, deposit: 50000}
strategies:
  - {id: arb, kind: arbitrage, account: "PAPER:main", accounts: ["PAPER2:main"],
     instruments: [BTC-USDC-PERP.PAPER, BTC-USDT-PERP.PAPER2]}
"""


def test_there_may_be_several_paper_venues_but_nothing_else_on_paper(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(TWO_PAPER, encoding="utf-8")
    [spec] = without_listed(load_config(file, "paper", KINDS)).strategies
    assert spec.account_of("BTC-USDT-PERP.PAPER2") == "PAPER2:main"
    file.write_text(TWO_PAPER.replace("PAPER2", "PAPERS"), encoding="utf-8")
    with pytest.raises(Problems) as refused:
        load_config(file, "paper", KINDS)
    assert "PAPER2 to PAPER9" in str(refused.value)
