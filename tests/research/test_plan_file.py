"""A plan as people write it: understood, refused whole with every mistake, kept, and run again to the last digit."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, DataError, ReplayMismatch, StrategyError
from domain.settings import strategy_id_problem
from engine.config.problem import Problems
from engine.config.source import parse_tree
from exchanges.paper.config import FillModel
from research.backtest_cli import kept_lines, open_document, plan_path, run_again, run_opened, say, with_span
from research.flags import Flags, document_of
from research.opening import Opened
from research.plan_file import load_plan
from research.result import Result
from research.runs import unlike
from research.summary import as_json
from tests.needs import ROOT
from tests.research.test_plan import BTC, MINUTE_NS, SOL, START_NS, saw_tooth

PLAN = f"""\
name: two venues
deposit: 50000
span: {{from: 2025-10-09T11:00:00}}
sources:
  - file: {BTC}-0.csv
    instrument: {BTC}
  - file: {SOL}-0.csv
    instrument: {SOL}
    taker_fee: 0.1%
    maintenance_margin: 1%
strategies:
  - id: trend
    kind: turtle
    instruments: [BTC]
    params: {{style: take, entry_bars: 5, exit_bars: 3, atr_bars: 5, take_profit_pct: 0.0}}
  - id: cross
    kind: ema_cross
    instruments: [sol-usdt-perp]
    account: own
    params: {{fast: 2, slow: 4, qty: 0.05}}
    priority: 3
venues:
  BINANCE: {{entry_latency_ms: 50, fill_model: ohlc_path}}
settings:
  risk: {{max_exposure: 40000, strategy: {{trend: {{strategy_drawdown: 10%}}}}}}
  allocation: {{enabled: true}}
"""


def opened(folder: Path, text: str = PLAN, **options: Path) -> Opened:
    for name in (BTC, SOL):
        saw_tooth(folder, name)
    tree = parse_tree(text, "plan.yaml")
    return open_document(tree, folder, options.get("config"), options.get("strategies"), folder / "data")


def ran(plan: Opened) -> Result:
    return run_opened(plan, as_lines=False).result


def test_a_plan_says_everything_that_a_run_needs(tmp_path):
    result = ran(opened(tmp_path))
    assert [(each.id, each.accounts, each.instruments) for each in result.strategies] == [
        ("trend", ("PAPER:main",), (BTC,)),
        ("cross", ("BINANCE:cross",), (SOL,)),
    ]
    assert all(each.fills for each in result.strategies)
    assert result.deposit == 100_000
    assert result.settings.risk.max_exposure == 40_000
    assert result.settings.risk.strategy == {"trend": {"strategy_drawdown": Decimal("0.1")}}
    assert result.settings.allocation.enabled
    assert result.settings.strategies[1].priority == 3
    binance = result.venues["BINANCE"]
    assert (binance.entry_ns, binance.fill_model) == (50_000_000, FillModel.OHLC_PATH)
    assert result.venues["PAPER"].entry_ns == 20_000_000
    assert [source.taker_fee for source in result.sources] == [Decimal("0.00045"), Decimal("0.001")]
    assert result.first_ns // MINUTE_NS == (START_NS + 126 * MINUTE_NS) // MINUTE_NS
    assert result.asked["plan"]["name"] == "two venues"


def test_every_mistake_is_told_at_once_with_its_line_and_path(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(
        "deposit: -3\nspan: {from: 2025-02-01, to: 2025-01-01}\nsources: [{file: nothing.csv}, {file: a, stored: b}]\n"
        "strategies: [{id: Up, kind: turtel}, {id: x, kind: turtle, params: {entry_bars: 1, stop: 3}}]\n"
        "venues: {binance: {}}\nsettings: {risk: {max_exposur: 1}, persons: []}\nname: 1\n",
        encoding="utf-8",
    )
    with pytest.raises(Problems) as caught:
        load_plan(path)
    told = str(caught.value)
    for expected in (
        "The plan has 12 problems",
        "1:10: deposit: expected a number above 0, found -3",
        "2:7: span: expected `to` to be after `from`",
        f"3:18: sources[0].file: {tmp_path / 'nothing.csv'}: no such file",
        "sources[1]: expected one of file, stored and simulated",
        "strategies[0].id: 'Up' is no name",
        "strategies[0].kind: no strategy kind is called 'turtel'; did you mean 'turtle'?",
        "params.entry_bars: expected a whole number from 2 up, found 1 (it takes 2 to 5000)",
        "strategies[1].params.stop: no such key; did you mean stop_atr?",
        "venues.binance: a venue's name is as in its instruments, such as BINANCE",
        "settings.risk.max_exposur: no such key; did you mean max_exposure?",
        "settings.persons: means nothing in a backtest",
    ):
        assert expected in told.replace(f"{path}:", ""), expected


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (("[BTC]", "[ETH]"), ConfigError, "strategies[0].instruments: no source has 'ETH'; there is BTC-USDC-PERP.P"),
        (
            ("trend: {st", "trnd: {st"),
            ConfigError,
            "settings.risk.strategy.trnd: not in this test; did you mean trend?",
        ),
        (
            ("11:00:00}", "22:00:00}"),
            DataError,
            "no market data is left after 70 bars of warm-up; BTC-USDC-PERP.PAPER-0.csv ends 2025-10-09 12:54:00, the",
        ),
        (("    instrument: SOL-USDT", "    instrument: BTC-USDT"), ConfigError, "'BTC' may be BTC-USDC-PERP.PAPER or"),
    ],
)
def test_names_that_mean_nothing_here_are_refused(tmp_path, change, error, text):
    with pytest.raises(error) as caught:
        ran(opened(tmp_path, PLAN.replace(*change)))
    assert text in str(caught.value)


def test_a_kept_result_is_made_again_from_its_json_alone(tmp_path, capsys):
    store = tmp_path / "data"
    outcome = run_opened(opened(tmp_path), as_lines=False)
    run_id = outcome.result.provenance.run_id
    say(outcome, store, tmp_path / "result.json")
    assert f"./moondev backtest --again {run_id}" in capsys.readouterr().out
    assert any(line.startswith(run_id) and "turtle, ema_cross" in line for line in kept_lines(store))
    run_again(store, run_id[:5], as_lines=False)
    assert "the same to the last digit" in capsys.readouterr().out
    run_again(store, str(tmp_path / "result.json"), as_lines=False)
    with pytest.raises(ConfigError, match="xyz: no file, and no run in"):
        run_again(store, "xyz", as_lines=False)


def test_ids_that_are_made_of_an_instrument_differ_however_long_they_are(tmp_path):
    long = "a" * 40
    text = (
        PLAN.replace("id: trend", f"id: {long}")
        .replace("    instruments: [BTC]\n", "")
        .replace("trend: {st", "cross: {st")
    )
    ids = [each.id for each in opened(tmp_path, text).plan.strategies]
    assert len(set(ids)) == 3
    assert all(strategy_id_problem(name) == "" for name in ids)
    assert ids[0].startswith("a" * 31 + "-")
    twin = PLAN.replace("    instruments: [BTC]\n", "").replace("id: cross", "id: trend-btc")
    with pytest.raises(ConfigError, match="the id 'trend-btc' stands twice, once made of an id and an instrument"):
        opened(tmp_path, twin)


@pytest.mark.parametrize(
    ("content", "said"), [("&a b: 1", "anchors"), ("\0", "not valid YAML"), (None, "no such file")]
)
def test_a_plan_that_cannot_be_read_is_called_a_plan(tmp_path, content, said):
    path = tmp_path / "plan.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Problems) as caught:
        load_plan(path)
    assert str(caught.value).startswith("The plan has 1 problem:")
    assert said in str(caught.value)
    assert "--config" not in str(caught.value)


def test_a_record_that_was_edited_is_no_fault_of_the_program_and_is_told_where_it_was(tmp_path):
    outcome = run_opened(opened(tmp_path), as_lines=False)
    result, path = outcome.result, tmp_path / "result.json"
    say(outcome, None, path)
    whole = path.read_bytes()
    assert unlike(result, result) == []
    times = [[at + 1, equity] for at, equity in json.loads(whole)["samples"]]
    for fields, said in (
        ({"fees": "0"}, f"fees: {result.fees}, the record says 0"),
        ({"fills": 1}, f"fills: {result.fills}, the record says 1"),
        (
            {"samples": times},
            f"samples[0][0]: {times[0][0] - 1}, the record says {times[0][0]} (and {len(times) - 1} more",
        ),
        ({"trades": []}, f"trades: {len(result.trades)} of them, the record has 0"),
        ({"slippage": "7"}, "the record says 7"),
    ):
        path.write_text(json.dumps(json.loads(whole) | fields))
        with pytest.raises(DataError) as caught:
            run_again(tmp_path, str(path), as_lines=False)
        assert "result.json: the record was changed after it was written" in str(caught.value)
        assert said in str(caught.value)
    path.write_bytes(as_json(replace(outcome, result=replace(result, exposure=0.5))))
    with pytest.raises(ReplayMismatch, match=r"this is a defect, report it\n  exposure: .*, the record says 0.5$"):
        run_again(tmp_path, str(path), as_lines=False)


def test_another_file_settings_or_code_are_named_instead_of_run(tmp_path):
    own = tmp_path / "mine"
    own.mkdir()
    source = (ROOT / "engine/strategies/ema_cross.py").read_text(encoding="utf-8")
    (own / "mine.py").write_text(source.replace('kind = "ema_cross"', 'kind = "mine"'), encoding="utf-8")
    config = tmp_path / "settings.yaml"
    config.write_text("risk: {base_position_fraction: 3%}\n", encoding="utf-8")
    outcome = run_opened(
        opened(tmp_path, PLAN.replace("kind: ema_cross", "kind: mine"), config=config, strategies=own), as_lines=False
    )
    say(outcome, None, tmp_path / "result.json")
    saw_tooth(tmp_path, SOL, half=21)
    config.write_text("risk: {base_position_fraction: 2%}\n", encoding="utf-8")
    with (own / "mine.py").open("a", encoding="utf-8") as file:
        file.write("\n# a word more\n")
    with pytest.raises(ConfigError) as caught:
        run_again(tmp_path, str(tmp_path / "result.json"), as_lines=False)
    told = str(caught.value)
    assert "code: the source of cross (mine) is" in told
    assert f"data: {SOL}-0.csv is" in told
    assert "settings: risk.base_position_fraction: 0.03 -> 0.02" in told
    assert "code: the product's" not in told
    assert f"data: {BTC}" not in told


def test_flags_come_to_the_plan_that_a_file_says(tmp_path):
    saw_tooth(tmp_path, BTC)
    flags = Flags(
        strategy="turtle",
        params="style=take,entry_bars=5,exit_bars=3,atr_bars=5,take_profit_pct=0.0",
        data=(tmp_path / f"{BTC}-0.csv",),
        instruments=(BTC,),
        deposit=50_000,
        end="2025-10-09T12:00:00",
    )
    text = (
        f"sources: [{{file: {BTC}-0.csv, instrument: {BTC}}}]\ndeposit: 50000\nspan: {{to: 2025-10-09T12:00:00}}\n"
        "strategies:\n  - id: tested\n    kind: turtle\n"
        "    params: {style: take, entry_bars: 5, exit_bars: 3, atr_bars: 5, take_profit_pct: 0.0}\n"
    )
    by_flags = open_document(document_of(flags), Path.cwd(), None, None, tmp_path)
    by_file = open_document(parse_tree(text, "plan.yaml"), tmp_path, None, None, tmp_path)
    first, second = ran(by_flags), ran(by_file)
    assert first.provenance.run_id == second.provenance.run_id
    assert first.state_hash == second.state_hash
    assert first.trades


def test_a_kind_that_takes_one_instrument_is_tested_once_on_each(tmp_path):
    for name in (BTC, SOL):
        saw_tooth(tmp_path, name)
    flags = Flags(
        strategy="turtle",
        params="style=take,entry_bars=5,exit_bars=3,atr_bars=5,take_profit_pct=0.0",
        data=(tmp_path / f"{BTC}-0.csv", tmp_path / f"{SOL}-0.csv"),
        instruments=(BTC, SOL),
    )
    result = ran(open_document(document_of(flags), Path.cwd(), None, None, tmp_path))
    assert [(each.id, each.instruments) for each in result.strategies] == [
        ("tested-btc", (BTC,)),
        ("tested-sol", (SOL,)),
    ]
    sources = "".join(f"  - {{file: {name}-0.csv, instrument: {name}}}\n" for name in (BTC, SOL))
    with pytest.raises(StrategyError, match="trades exactly one instrument, got 2"):
        ran(opened(tmp_path, f"strategies: [{{id: one, kind: turtle, each: false}}]\nsources:\n{sources}"))


def test_a_plan_is_found_by_its_name_in_the_data_folder_and_may_have_another_span(tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "trends.yaml").write_text(PLAN, encoding="utf-8")
    assert plan_path(Path("trends"), tmp_path) == tmp_path / "plans" / "trends.yaml"
    assert plan_path(Path("./folder/other"), tmp_path) == Path("folder/other")
    with pytest.raises(ConfigError, match=r"plans/moondev\.yaml: there is no such plan; there are: trends"):
        plan_path(Path("moondev"), tmp_path)  # a file of that name is in the folder that a service runs in
    assert plan_path(tmp_path / "x.yaml", tmp_path) == tmp_path / "x.yaml"
    for name in (BTC, SOL):
        saw_tooth(tmp_path, name)
    tree = with_span(parse_tree(PLAN, "plan.yaml"), "", "2025-10-09T12:00:00")
    result = ran(open_document(tree, tmp_path, None, None, tmp_path))
    assert (result.first_ns // MINUTE_NS, result.last_ns // MINUTE_NS) == (29_333_460, 29_333_520)


def test_a_result_outlives_a_page_that_cannot_be_written(tmp_path, capsys):
    outcome = run_opened(opened(tmp_path), as_lines=False)
    with pytest.raises(ConfigError, match="/dev/full cannot be written: No space left on device"):
        say(outcome, tmp_path / "data", Path("/dev/full"))
    assert outcome.result.provenance.run_id in "\n".join(kept_lines(tmp_path / "data"))
    assert "the same again" in capsys.readouterr().out


def test_flags_that_are_no_plan_are_refused():
    with pytest.raises(ConfigError, match="say what to test"):
        document_of(Flags(strategy=""))
    with pytest.raises(ConfigError, match=r"say what to run over.*--data and --stored are given, one of them is right"):
        document_of(Flags(strategy="turtle", data=(Path("a"),), stored=("BTC",)))
    with pytest.raises(ConfigError, match=r"say what to run over: .*H$"):
        document_of(Flags(strategy="turtle"))
    with pytest.raises(ConfigError, match="--instrument is there 1 times for 2 times --data"):
        document_of(Flags(strategy="turtle", data=(Path("a"), Path("b")), instruments=("BTC",)))
    with pytest.raises(ConfigError, match="expected name=value"):
        document_of(Flags(strategy="turtle", data=(Path("a"),), params="fast"))


def test_a_margin_to_keep_above_the_margin_to_open_is_refused_with_its_source(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(
        "sources: [{simulated: BTC, hours: 1, initial_margin: 0%, maintenance_margin: 100%}]\n"
        "strategies: [{id: a, kind: turtle}]\n"
    )
    with pytest.raises(ConfigError, match=r"sources\[0\].*maintenance_margin must not be more than initial_margin"):
        load_plan(path)
