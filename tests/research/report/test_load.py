"""Results of before: what was written is read again, and everything else is refused by name."""

import json
from decimal import Decimal

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from domain.errors import ConfigError, DataError
from main import app
from research.report import compare, html
from research.report.load import load
from research.result import Outcome
from research.summary import as_json
from tests.research.report.made import made, ran


@pytest.fixture(scope="module")
def written() -> bytes:
    return as_json(Outcome(result=ran(), wall_s=1.0))


def test_what_a_backtest_wrote_is_read_again(tmp_path, written):
    file = tmp_path / "run.json"
    file.write_bytes(written)
    assert load(file) == ran()
    assert html(load(file)) == html(ran())


def changed(written: bytes, **fields) -> bytes:
    return json.dumps(json.loads(written) | fields).encode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"samples": []}, "no samples"),
        ({"samples": [[5, "1"], [4, "1"]]}, "samples do not run forwards"),
        ({"samples": [[5, "1"], [6, "NaN"]]}, "not every value is a number"),
        ({"samples": [[5, "1"], [2**63 - 1, "1"]]}, "outside of any calendar"),
        ({"fees": "Infinity"}, "not every amount"),
        ({"equity": "999999"}, "is not that of its last sample"),
        ({"deposit": "1e999999"}, "not every amount is money"),
        ({"samples": [[5, "1"], [6, "1e400"]]}, "not every value is money"),
        ({"equity": "cheese"}, "is no result of this version"),
        ({"trades": None}, "is no result of this version"),
    ],
)
def test_a_result_that_was_tampered_with_is_refused_with_the_file_and_the_reason(tmp_path, written, fields, said):
    file = tmp_path / "odd.json"
    file.write_bytes(changed(written, **fields))
    with pytest.raises((ConfigError, DataError), match=rf"odd\.json.*{said}"):
        load(file)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_result_is_refused(tmp_path, content):
    file = tmp_path / "cut.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cut\.json is no result"):
        load(file)
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "gone.json")


def test_the_verb_renders_one_run_and_puts_several_side_by_side(tmp_path, written):
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_bytes(written)
    other.write_bytes(as_json(Outcome(result=made(days=90), wall_s=1.0)))
    page, picture, figures = (tmp_path / name for name in ("page.html", "page.png", "figures.json"))
    options = ["--html", str(page), "--png", str(picture), "--json", str(figures), "--tries", "40"]
    said = CliRunner().invoke(app, ["report", str(one), *options])
    assert said.exit_code == 0, said.output
    assert "Verdict        Too little data for any claim" in said.output
    assert page.read_bytes().startswith(b"<!doctype html>")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(figures.read_bytes())["measures"]["tries"] == 40
    both = CliRunner().invoke(app, ["report", str(one), str(other), "--html", str(page), "--json", str(figures)])
    assert both.exit_code == 0, both.output
    assert "2 backtests side by side" in page.read_text()
    assert [each["name"] for each in json.loads(figures.read_bytes())] == ["one", "other"]


def test_the_table_names_runs_apart_and_says_what_differs(tmp_path):
    base = made(days=60)
    strategy = base.strategies[0]
    twin = replace(base, strategies=(replace(strategy, params=strategy.params | {"entry_bars": 9}),), fees=Decimal(9))
    runs = compare.named(
        [tmp_path / "a" / "x.json", tmp_path / "b" / "x.json"], [base, twin], compare.measured([base, twin])
    )
    assert [run.name for run in runs] == ["x (1)", "x (2)"]
    assert list(compare.differs(runs)) == [("entry_bars", ["5", "9"])]
    assert "Fees" in compare.text(runs)
