"""Results of before: what was written is read again, and everything else is refused by name."""

import json
from decimal import Decimal

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from domain.errors import ConfigError, DataError
from main import app
from research.report import compare, html
from research.report.load import load, problems
from research.result import Outcome, Result
from research.summary import as_json
from tests.research.report.made import booked, made, ran


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


def sealed(result: Result) -> bytes:
    """A record with the right hash: as one who knows the program forges it."""
    return as_json(Outcome(result=result, wall_s=1.0))


def test_an_edited_record_is_told_as_changed_and_not_as_another_result(tmp_path, written):
    file = tmp_path / "edited.json"
    for fields in ({"alerts": ["nothing"]}, {"pnl": "1000000"}, {"content_sha256": "0" * 64}):
        file.write_bytes(changed(written, **fields))
        with pytest.raises(DataError, match=r"edited\.json: the record was changed after it was written"):
            load(file)
    file.write_bytes(changed(written, content_sha256=""))
    with pytest.raises(DataError, match="carries no hash of its content: an older version wrote it, or a hand"):
        load(file)
    file.write_bytes(changed(written, timing={"wall_s": 9.0}))
    assert load(file) == ran()


def with_trade(result: Result, at: int = 0, **fields) -> Result:
    trades = list(result.trades)
    trades[at] = replace(trades[at], **fields)
    return replace(result, trades=tuple(trades))


def with_books(result: Result, **fields) -> Result:
    return replace(result, accounts=(replace(result.accounts[0], **fields),), **fields)


HALF = Decimal("0.5")
FORGED = {
    "samples": lambda r: (
        replace(r, samples=(r.samples[0], *((t, e + 1) for t, e in r.samples[1:-1]), r.samples[-1])),
        "sample 2: equity",
    ),
    "smoother samples": lambda r: (replace(r, samples=(r.samples[0], r.samples[-1])), "not sampled when its equity is"),
    "fees": lambda r: (with_books(r, fees=Decimal(0)), "deposit, profits, fees and funding come to"),
    "fees and profits": lambda r: (
        with_books(r, fees=Decimal(0), realised=r.realised - r.fees),
        "is not the sum of its strategies'",
    ),
    "total fees": lambda r: (replace(r, fees=Decimal(0)), "its fees 0 is not the sum of its accounts'"),
    "deposit": lambda r: (replace(r, deposit=Decimal(1000)), "its deposit 1000 is not the sum"),
    "negative deposit": lambda r: (with_books(r, deposit=Decimal(-1)), "the deposit of PAPER:main is -1"),
    "an account's deposit": lambda r: (
        replace(r, accounts=(replace(r.accounts[0], deposit=Decimal(1)),)),
        "the equity of PAPER:main",
    ),
    "trade times": lambda r: (with_trade(r, opened_ns=-5), "trade 1: its times are not inside the run"),
    "closed before opened": lambda r: (with_trade(r, opened_ns=r.trades[0].closed_ns + 1), "trade 1: its times"),
    "order of trades": lambda r: (replace(r, trades=r.trades[::-1]), "not in order of closing"),
    "fewer trades": lambda r: (
        replace(r, trades=r.trades[:-1]),
        f"tested has {len(r.trades)} trades, and {len(r.trades) - 1} are shown",
    ),
    "a loss turned round": lambda r: (with_trade(r, pnl=-r.trades[0].pnl), "before fees, from"),
    "no quantity": lambda r: (with_trade(r, qty=Decimal(0)), "trade 1: no side, quantity or fills"),
    "somebody else's trade": lambda r: (with_trade(r, strategy="other"), f"tested has {len(r.trades)} trades"),
    "drawdown": lambda r: (replace(r, max_drawdown=replace(r.max_drawdown, amount=HALF)), "its drawdown 0.5 is not"),
    "sharpe": lambda r: (replace(r, sharpe=replace(r.sharpe, value=9.0)), "its Sharpe ratio 9.0"),
    "exposure": lambda r: (replace(r, exposure=-1e308), "it was in the market"),
    "no prices": lambda r: (
        replace(r, prices={name: tuple((at, 0.0) for at, _ in pairs) for name, pairs in r.prices.items()}),
        "not every one is a price",
    ),
    "huge prices": lambda r: (
        replace(r, prices={name: tuple((at, 1e308) for at, _ in pairs) for name, pairs in r.prices.items()}),
        "not every one is a price",
    ),
    "hidden exposure": lambda r: (replace(r, gross=tuple((at, -abs(v)) for at, v in r.gross)), "less altogether"),
    "no number in an account": lambda r: (
        replace(r, accounts=(replace(r.accounts[0], funding=Decimal("sNaN")),)),
        "not every amount is a number",
    ),
    "profits of a strategy": lambda r: (
        replace(r, strategies=(replace(r.strategies[0], pnl=HALF),)),
        "the PNL 0.5 of tested is not profits",
    ),
    "end": lambda r: (replace(r, last_ns=r.last_ns + 1), "do not end when it ends"),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=list(FORGED))
def test_books_that_do_not_add_up_are_refused_although_the_hash_is_right(tmp_path, forge):
    result, said = forge(ran())
    file = tmp_path / "forged.json"
    file.write_bytes(sealed(result))
    with pytest.raises(DataError) as caught:
        load(file)
    assert said in " | ".join(problems(result))
    assert "record was changed" not in str(caught.value)


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
    other.write_bytes(as_json(Outcome(result=booked(made(days=90)), wall_s=1.0)))
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
