"""`moondev check-strategy`: what it exits with, what it writes, what it refuses, and indicators."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from msgspec.json import decode

from domain.errors import ConfigError, StrategyError
from research.honesty.cli import check_strategy
from research.honesty.page import section_html
from research.honesty.verdict import Evidence, Finding, Light, Verdict
from research.honesty.words import as_text, section

CHEATS = Path(__file__).parent / "cheats"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Bars of a random walk, as a user has them."""
    rng = np.random.default_rng(4)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.002, 200))), 2)
    first = np.concatenate(([100.0], close[:-1]))
    columns = {
        "ts_ns": 1_672_531_200 * 10**9 + 300 * 10**9 * np.arange(200),
        "open": first,
        "high": np.maximum(first, close),
        "low": np.minimum(first, close),
        "close": close,
        "volume": rng.integers(1, 9, 200).astype(float),
    }
    path = tmp_path_factory.mktemp("data") / "ABC_USDT-5m.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_red_is_four_and_everything_is_written(file, tmp_path, capsys):
    out, page = tmp_path / "verdict.json", tmp_path / "verdict.html"
    with pytest.raises(typer.Exit) as left:
        check_strategy(str(CHEATS / "random_side.py"), data=[file], only="reach, runs", json_path=out, html_path=page)
    assert left.value.exit_code == 4
    told = capsys.readouterr().out
    assert "NO    reach" in told
    assert "Verdict        RED: do not believe the result, and do not trade it (reach)" in told
    verdict = decode(out.read_bytes())
    assert verdict["light"] == "red"
    assert verdict["findings"][1]["evidence"][0]["text"].startswith("line ")
    assert "random.random" in page.read_text()


def test_a_file_that_the_loader_refuses_is_red_too(file, capsys):
    with pytest.raises(typer.Exit) as left:
        check_strategy(str(CHEATS / "reads_file.py"), data=[file])
    assert left.value.exit_code == 4
    assert "a strategy may not call open()" in " ".join(capsys.readouterr().out.split())


def test_green_is_nothing_and_an_unknown_check_is_refused(file, capsys):
    check_strategy(str(CHEATS / "honest.py"), data=[file], only="calendar")
    assert "GREEN" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="choose runs, reach"):
        check_strategy("turtle", data=[file], only="luck")


def test_amber_is_three_only_when_it_is_asked_for(file):
    asked: dict[str, Any] = {"data": [file], "only": "repaint"}
    check_strategy(str(CHEATS / "centred_mean.py"), **asked)
    with pytest.raises(typer.Exit) as left:
        check_strategy(str(CHEATS / "centred_mean.py"), strict=True, **asked)
    assert left.value.exit_code == 3


def test_an_indicator_of_a_file_is_judged_bar_by_bar(file, tmp_path, capsys):
    with pytest.raises(typer.Exit):
        check_strategy(f"{CHEATS / 'zig_zag.py'}:zig_zag", data=[file])
    assert "zig_zag() repaints" in capsys.readouterr().out
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from msgspec import Struct\n\n\nclass Slow(Struct):\n    mean: float = 0.0\n    period: int = 10\n\n"
        "    def update(self, close: float) -> float:\n        self.mean += (close - self.mean) / self.period\n"
        "        return self.mean\n\n\nclass Bare(Struct):\n    period: int\n\n"
        "    def update(self, close: float) -> float:\n        return close\n"
    )
    check_strategy(f"{mine}:Slow", data=[file])
    assert "a start is forgotten (to 0.01 %) after" in capsys.readouterr().out
    with pytest.raises(StrategyError, match="give its arguments defaults"):
        check_strategy(f"{mine}:Bare", data=[file])


def test_what_a_file_calls_itself_is_text_in_a_page_and_long_evidence_is_wrapped():
    evidence = Evidence(bar=7, ts_ns=10**18, first_in="here", first="<script>" * 20, second_in="there", second="b")
    finding = Finding(check="reach", light=Light.RED, claim="<b>bold</b>", evidence=(evidence,))
    verdict = Verdict(subject="<i>", data=("file",), findings=(finding,))
    html = section_html(section(verdict))
    assert "<script>" not in html
    assert "<b>bold" not in html
    assert max(map(len, as_text(verdict).splitlines())) <= 190


def test_a_verdict_stands_on_the_page_of_its_own_run_and_of_no_other(file, tmp_path):
    from engine.config import load_config
    from research.backtest import BacktestSettings, StrategyRequest, run_backtest
    from research.honesty.page import verdict_of
    from research.market_data import FileOptions, open_file
    from research.report import html

    core = load_config(None).to_settings()
    out = tmp_path / "verdict.json"
    check_strategy("turtle", data=[file], params="entry_bars=5,atr_bars=3", only="runs", json_path=out)
    data = open_file(file, FileOptions(instruments=core.instruments, fees=core.instruments[0]))
    runs = [
        run_backtest(StrategyRequest(kind="turtle", params=params), data, BacktestSettings(core=core)).result
        for params in ({"entry_bars": 5, "atr_bars": 3}, {"entry_bars": 6, "atr_bars": 3})
    ]
    assert b"Is it honest?" in html(runs[0], honesty=verdict_of(out, runs[0]))
    assert b"Is it honest?" not in html(runs[0])
    with pytest.raises(ConfigError, match="is about other parameters"):
        verdict_of(out, runs[1])
    out.write_text("{}")
    with pytest.raises(ConfigError, match="no verdict of moondev check-strategy"):
        verdict_of(out, runs[0])
