"""The page's figures are made from the bench's JSON, and nobody writes "met" by hand."""

import json

import pytest

from domain.errors import ConfigError
from research.bench import run, table


def row(case: str, value: float, unit: str, *peers: tuple[str, float]) -> run.Told:
    beside: list[run.Beside] = [{"engine": name, "value": 1.0, "ratio": ratio, "detail": ""} for name, ratio in peers]
    return {"case": case, "value": value, "unit": unit, "rules": "all on", "name": "bars_ema", "peers": beside}


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"before\n{table.BEGIN}old\n{table.END}\nafter\n")
    return path


def written(rows, page) -> str:
    source = page.with_suffix(".json")
    source.write_text(json.dumps({"machine": "2 cores", "rows": rows}))
    table.write(source, page)
    return page.read_text()


def test_the_tables_replace_the_old_ones_and_name_command_rules_and_machine(page):
    text = written([row("bars_ema", 300_000.0, "bars/s")], page)
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "Measured 2 cores." in text
    assert "./moondev bench --only bars_ema" in text
    assert "| bars_ema | 300,000 bars/s |" in text
    assert "all on" in text
    assert written([row("risk gate", 4.0, "us")], page).count("### ") == 1


def test_a_target_is_met_only_against_the_best_peer_of_its_session(page):
    peers = (("nautilus-v2 2.0", 2.5), ("nautilus-v2 2.0", 1.9), ("freqtrade 2026.9", 20.0))
    line = table.line(row("bars_ema", 300_000.0, "bars/s", *peers))
    assert "| ≥ 2x nautilus-v2<br>≥ 25x nautilus-v1<br>≥ 16x freqtrade | **no**<br>not run<br>yes |" in line


def test_a_time_is_held_to_at_most_and_a_rate_to_at_least():
    assert "| ≤ 20 us | yes |" in table.line(row("risk gate", 4.0, "us"))
    assert "| ≤ 20 us | **no** |" in table.line(row("risk gate", 21.0, "us"))
    assert "| ≥ 15,000 orders/s | **no** |" in table.line(row("burst, no journal", 9_000.0, "orders/s"))


def test_what_is_no_report_or_no_page_gets_a_sentence(page, tmp_path):
    with pytest.raises(ConfigError, match="write it with"):
        table.write(tmp_path / "nothing.json", page)
    page.write_text("no marks")
    with pytest.raises(ConfigError, match="between which the figures belong"):
        written([], page)


def test_the_page_of_the_repository_has_its_marks_and_every_case():
    text = table.PAGE.read_text()
    assert table.BEGIN in text
    assert table.END in text
    assert all(f"`{name}`" in text for name in run.CASES)
