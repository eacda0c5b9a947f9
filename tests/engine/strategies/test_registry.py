"""How strategy code gets in: built-in kinds, the user's files, and what is refused with which words."""

from pathlib import Path

import pytest

from domain.desired import NOTHING
from domain.errors import StrategyError
from domain.settings import StrategySpec
from engine.strategies import registry
from engine.strategies.turtle import Turtle
from tests.engine.strategies.harness import BTC, ETH, Bench

SAMPLES = Path(__file__).parent / "samples"
ROOT = Path(__file__).parents[3]

FLAT = '''
"""Wants nothing."""
from __future__ import annotations

from msgspec import Struct

from domain.desired import NOTHING, Desired
from domain.market import Feed
from domain.strategy import Params, Strategy, View


class Memory(Struct):
    wakes: int = 0


class Flat(Strategy[Memory, Params]):
    kind = "flat"
    params_type = Params
    memory_type = Memory

    def feeds(self) -> tuple[Feed, ...]:
        return ()

    def start(self) -> Memory:
        return Memory()

    def decide(self, memory: Memory, view: View) -> tuple[Memory, Desired]:
        return memory, NOTHING
'''


def write(folder: Path, source: str, name: str = "flat.py") -> Path:
    path = folder / name
    path.write_text(source)
    return path


def test_built_in_kinds_come_with_source_and_hash():
    loaded = registry.load("turtle")
    assert loaded.strategy is Turtle
    assert loaded.source == (ROOT / "engine/strategies/turtle.py").read_text()
    assert loaded.source_hash == registry.source_hash(loaded.source)
    assert len(loaded.source_hash) == 64


PAIRS = ("two_leg", "lead_lag", "pairs")
"""Kinds that need two instruments."""
LEGS = ("arbitrage", "funding_arbitrage")
"""Kinds that need an asset at two venues."""


def test_every_built_in_keeps_the_rules_that_users_must_keep():
    for kind, cls in registry.BUILT_IN.items():
        loaded = registry.load(kind)
        registry.check_source(loaded.source, loaded.origin)
        assert cls.kind == kind
        params = {"qty": 0.1, "max_position": 1.0} if kind in {"market_maker", "calibrated_maker"} else {}
        params = {"qty": 0.1, "naked_cap": 0.1} if kind == "two_leg" else params
        names = [BTC, "BTC-USDT-PERP.BETA"] if kind in LEGS else [BTC, ETH][: 2 if kind in PAIRS else 1]
        strategy = cls.build(names, params)
        assert strategy.feeds()
        bench = Bench(strategy)
        bench.save_and_restore()
        assert bench.memory == strategy.start()


def test_every_parameter_says_what_it_is():
    for cls in registry.BUILT_IN.values():
        for name, field in cls.params_type.model_fields.items():
            assert field.description, f"{cls.kind}.{name}"


def test_a_user_file_is_loaded_by_path_and_class(tmp_path):
    path = write(tmp_path, FLAT)
    loaded = registry.load(f"{path}:Flat")
    bench = Bench(loaded.strategy.build([BTC], {}))
    assert bench.closes(1.0) is NOTHING
    bench.save_and_restore()
    assert loaded.source == FLAT
    assert registry.load("flat.py", tmp_path).source_hash == loaded.source_hash, "the only class needs no name"


def test_a_user_folder_adds_kinds_found_without_running_them(tmp_path):
    write(tmp_path, FLAT)
    write(tmp_path, "raise SystemExit", "explodes.py")
    write(tmp_path, "def (", "broken.py")
    write(tmp_path, FLAT.replace('"flat"', '"hidden"'), "_private.py")
    assert registry.kinds()[:2] == ["market_maker", "turtle"]
    assert not {"quoter", "alternator"} & set(registry.kinds()), "those are there to be measured"
    assert registry.kinds(tmp_path) == [*registry.kinds(), "flat"]
    assert registry.load("flat", tmp_path).strategy.kind == "flat"


def test_a_kind_whose_file_is_broken_now_is_answered_with_what_is_wrong_with_the_file(tmp_path):
    write(tmp_path, FLAT + "\ndef (\n")
    assert "flat" in registry.kinds(tmp_path)
    with pytest.raises(StrategyError, match=rf"flat.py, line {FLAT.count(chr(10)) + 2}: invalid syntax"):
        registry.load("flat", tmp_path)


def test_a_reload_gives_a_fresh_class_and_leaves_the_old_one_working(tmp_path):
    path = write(tmp_path, FLAT)
    old = registry.load(f"{path}:Flat")
    write(tmp_path, FLAT.replace("wakes: int = 0", "wakes: int = 7"))
    new = registry.load(f"{path}:Flat")
    assert new.strategy is not old.strategy
    assert new.source_hash != old.source_hash
    assert new.strategy.build([BTC], {}).start().wakes == 7
    assert old.strategy.build([BTC], {}).start().wakes == 0


def test_a_failed_reload_says_where_and_the_old_class_still_works(tmp_path):
    path = write(tmp_path, FLAT)
    old = registry.load(f"{path}:Flat")
    write(tmp_path, FLAT + "\nBOOM = 1 / 0\n")
    with pytest.raises(StrategyError, match=rf"flat.py, line {FLAT.count(chr(10)) + 2}: ZeroDivisionError"):
        registry.load(f"{path}:Flat")
    bench = Bench(old.strategy.build([BTC], {}))
    bench.save_and_restore()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Flat(:\n", r"flat.py, line 1: invalid syntax"),
        ("import time\n" + FLAT, r"line 1: a strategy may not import 'time'"),
        ("from datetime import datetime\n" + FLAT, r"may not import 'datetime'"),
        ("import numpy.random\n" + FLAT, r"may not import 'numpy.random'"),
        ("from . import helper\n" + FLAT, r"may not import '\.'"),
        ("import engine.core.state\n" + FLAT, r"may not import 'engine.core.state'"),
        (FLAT + "\nopen('x')\n", r"may not call open\(\)"),
        (FLAT.replace("    def start", "    def begin"), r"Flat lacks start"),
        (FLAT.replace('kind = "flat"', 'kind = ""'), r"needs a name"),
        (FLAT.replace('kind = "flat"', 'kind = "turtle"'), r"'turtle' is a built-in strategy's"),
        (FLAT.replace('kind = "flat"', 'kind = "manual"'), r"'manual' is a built-in strategy's"),
        (FLAT.replace('kind = "flat"', 'kind = "Flat"'), r"a name of lower-case letters"),
        (
            FLAT.replace("memory_type = Memory", "memory_type = dict"),
            r"memory_type must be a class derived from Struct",
        ),
        (FLAT.replace("class Flat(Strategy[Memory, Params])", "class Flat"), r"Flat is no Strategy"),
        (FLAT + "\ntry:\n    pass\nexcept:\n    pass\n", r"name the error"),
        (FLAT + "\nwhile True:\n    try:\n        pass\n    finally:\n        continue\n", r"line 34: `continue`"),
        (
            FLAT + "\nwhile True:\n    try:\n        pass\n    finally:\n        if 1:\n            break\n",
            r"`finally`",
        ),
        (
            FLAT + "\ndef f():\n    try:\n        pass\n    finally:\n        for _ in ():\n            return\n",
            r"`finally`",
        ),
        (FLAT + "\ntry:\n    pass\nexcept (OSError, BaseException):\n    pass\n", r"name the error"),
        (FLAT + "\nraise SystemExit(3)\n", r"SystemExit: 3"),
        ("x = 1\n", r"class 'Flat' is not there; strategies in this file: none"),
    ],
)
def test_a_file_that_cannot_be_a_strategy_is_refused_with_the_reason(tmp_path, source, said):
    path = write(tmp_path, source)
    with pytest.raises(StrategyError, match=said):
        registry.load(f"{path}:Flat")


def test_an_unknown_kind_is_answered_with_the_nearest_or_all():
    with pytest.raises(StrategyError, match="no strategy kind is called 'turtel'; did you mean 'turtle'"):
        registry.load("turtel")
    with pytest.raises(StrategyError, match="there are: market_maker, turtle"):
        registry.load("zzz")


def test_a_file_that_is_not_there_or_is_not_text_is_said(tmp_path):
    with pytest.raises(StrategyError, match="No such file"):
        registry.load(f"{tmp_path}/none.py:Flat")
    (tmp_path / "flat.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StrategyError, match="not UTF-8"):
        registry.load("flat.py:Flat", tmp_path)


def test_the_strategies_that_misbehave_load_and_misbehave():
    raising = Bench(registry.load("raises.py:Raises", SAMPLES).strategy.build([BTC], {}))
    raising.touch(1.0, 2.0)
    raising.touch(1.0, 2.0)
    with pytest.raises(ValueError, match="third wake"):
        raising.touch(1.0, 2.0)
    assert registry.load("hangs", SAMPLES).strategy.kind == "hangs"


def spec(kind: str, **params) -> StrategySpec:
    return StrategySpec(id="it", kind=kind, account="PAPER:main", instruments=(BTC,), params=params)


def test_a_spec_becomes_a_strategy_or_a_sentence(tmp_path):
    write(tmp_path, FLAT)
    assert registry.build(spec("flat"), tmp_path).instruments == (BTC,)
    assert isinstance(registry.build(spec("turtle", entry_bars=20)), Turtle)
    with pytest.raises(StrategyError, match=r"it \(turtle\): stop_atr: .*; entry_bar: Extra inputs"):
        registry.build(spec("turtle", entry_bar=20, stop_atr=0))
    with pytest.raises(StrategyError, match=r"it \(ema_cross\): fast \(20\) must be less"):
        registry.build(spec("ema_cross", fast=20))


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("ema_cross", {"slow": 10**400}, "slow: a whole number of more than 64 bits cannot be recorded, found 1000"),
        ("ema_cross", {"slow": 10**5_000}, r"slow: a whole number .*its text cannot be made"),
        ("ema_cross", {"interval_s": -(10**30)}, "interval_s: a whole number of more than 64 bits"),
        ("ema_cross", {"qty": float("nan")}, "qty: .*finite number"),
        ("ema_cross", {"x" * 10_000: 1}, "xxx.*Extra inputs"),
        ("ema_cross", {"\u202ea": 1}, "[(]ema_cross[)]:  a: Extra inputs"),
        ("turtle", {"session_zone": "\ud800"}, "session_zone: it cannot be recorded: .*surrogates not allowed"),
        ("turtle", {"session_zone": "x" * 10_000}, "no time zone is called 'xxx"),
        ("turtle", {"session_zone": "America"}, "no time zone is called 'America'"),
    ],
)
def test_a_hostile_parameter_becomes_a_short_sentence_before_anything_is_recorded(kind, params, words):
    with pytest.raises(StrategyError, match=words) as refused:
        registry.build(spec(kind, **params))
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


def test_what_trades_only_to_be_measured_is_not_offered_and_can_be_built():
    assert set(registry.BENCH) <= set(registry.BUILT_IN)
    assert not set(registry.BENCH) & set(registry.kinds())
    assert registry.load("bench_quoter").strategy.kind == "bench_quoter"
    with pytest.raises(StrategyError) as refused:
        registry.load("bench_quote")
    assert "bench" not in str(refused.value).partition(";")[2]


def test_a_class_keeps_the_text_it_was_made_from_and_a_built_in_one_needs_none(tmp_path):
    path = write(tmp_path, FLAT)
    assert registry.load_file(path).strategy.source == FLAT
    assert registry.load("turtle").strategy.source == ""


def test_a_loop_of_its_own_inside_finally_may_be_left():
    registry.check_source("try:\n    pass\nfinally:\n    for n in (1, 2):\n        break\n", "mine.py")


def test_a_file_that_is_no_strategy_by_its_size_is_refused_before_it_is_parsed(tmp_path):
    path = write(tmp_path, FLAT + "#" * registry.MOST_BYTES)
    with pytest.raises(StrategyError, match=r"flat\.py is larger than 128 KiB"):
        registry.load("flat", tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + FLAT.replace("\n", "\r\n").encode())
    assert registry.load("flat", tmp_path).source == FLAT, "an editor's marks are not the author's text"
    write(tmp_path, "x = " + "-" * 100_000 + "1\n")
    with pytest.raises(StrategyError, match="nested too deeply"):
        registry.load_file(path)


def test_a_copy_beside_the_original_is_not_taken_for_it(tmp_path):
    original, copy = write(tmp_path, FLAT), write(tmp_path, FLAT + "# older\n", "copy_of_flat.py")
    with pytest.raises(StrategyError, match=r"'flat' is declared by .*copy_of_flat\.py and .*flat\.py: rename one"):
        registry.load("flat", tmp_path)
    assert registry.load("flat.py", tmp_path).source == FLAT
    copy.rename(tmp_path / "_copy_of_flat.py")
    assert registry.load("flat", tmp_path).origin == str(original)


def test_a_name_that_no_kind_may_have_is_not_offered(tmp_path):
    write(tmp_path, FLAT.replace('"flat"', '"<b>Flat"'))
    write(tmp_path, FLAT.replace('"flat"', '"manual"'), "by_hand.py")
    assert registry.kinds(tmp_path) == registry.kinds()
