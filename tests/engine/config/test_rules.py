"""The rules of risk in a settings file: read by scope, refused where they cannot stand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import ConfigError
from engine.config import Config, load_config


def load(folder: Path, text: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_config(path)


def test_a_value_stands_at_the_scope_that_the_file_names(tmp_path: Path) -> None:
    risk = (
        load(
            tmp_path,
            "risk:\n"
            "  portfolio: {leverage: 2, asset_fraction: 8%}\n"
            "  venue: {PAPER: {open_positions: 3}}\n"
            "  strategy: {turtle-eth: {position_age_s: 3600}}\n"
            "  instrument: {BTC-USDC-PERP.PAPER: {min_liquidity_usd: 50000}}\n",
        )
        .to_settings()
        .risk
    )
    assert risk.portfolio == {"leverage": Decimal(2), "asset_fraction": Decimal("0.08")}
    assert risk.venue == {"PAPER": {"open_positions": Decimal(3)}}
    assert risk.strategy == {"turtle-eth": {"position_age_s": Decimal(3600)}}
    assert risk.instrument == {"BTC-USDC-PERP.PAPER": {"min_liquidity_usd": Decimal(50_000)}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("risk: {portfolio: {leverag: 2}}", "did you mean leverage?"),
        ("risk: {portfolio: {leverage: 1000}}", "expected a number from 0 to 200, found 1000"),
        ("risk: {portfolio: {daily_loss: 101%}}", "such as 0.05 or 5%"),
        ("risk: {portfolio: {open_positions: 2.5}}", "a whole number"),
        ("risk: {strategy: {turtle-eth: {leverage: 2}}}", "no such key"),
        ("risk: {strategy: {turtle-et: {position_age_s: 60}}}", "did you mean turtle-eth?"),
        ("risk: {venue: {PAPR: {leverage: 2}}}", "did you mean PAPER?"),
    ],
)
def test_an_impossible_limit_is_refused_with_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match="risk") as refused:
        load(tmp_path, text)
    assert said in str(refused.value)
