"""What was learnt from the tape is found however it is hidden: by what it comes to, by its size, by other numbers."""

import ast
import inspect
import time
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from engine.strategies.registry import BUILT_IN
from research.backtest import StrategyRequest
from research.honesty import check as checks
from research.honesty import luggage
from research.honesty.check import check_strategy
from research.honesty.folded import TOO_MUCH, folded
from research.honesty.verdict import Light
from research.market_data import simulated
from tests.research.honesty.test_cheats import AMBER, CHEATS, CLOSES, DATA, GREEN, RED, SETTINGS, TABLE, check, lights

HONEST = (CHEATS / "honest.py").read_text()
MEAN = float(TABLE.close.mean())
EXACT = "exact prices"
UNITS = "other units"


def written(folder: Path, side: str, above: str = "") -> Path:
    """The honest strategy, dishonest: with another body of `side` and something above its class."""
    file = folder / "cheat.py"
    head, body = HONEST.replace("    side: int = 0\n", "    side: int = 0\n    last: float = 0.0\n").split(
        "class Honest(", 1
    )
    body = body[: body.index("        mean, close = ")]
    inside = "\n".join(f"        {line}" for line in dedent(side).strip().splitlines())
    file.write_text(f"{head}{above}\n\n\nclass Honest({body}{inside}\n")
    return file


def pivots(count: int, *, key: str) -> dict[int, int]:
    """Hashes of the bars before the largest moves of the tape, with the side to be on."""
    moves = np.diff(np.log(TABLE.close))
    found: dict[int, int] = {}
    for at in sorted(np.argsort(-np.abs(moves))[:count].tolist()):
        if at:
            found[eval(key, {"close": CLOSES[at], "last": CLOSES[at - 1], "round": round})] = 1 if moves[at] > 0 else -1
    return found


BY_HASH = """
    last, close = memory.last, view.close
    memory.last = close
    if not last:
        return memory.side
    return KNOWN.get({key}, memory.side)
"""


@pytest.mark.parametrize(
    ("key", "count", "by_units"),
    [
        ("(round(close * 100) * 31 + round(last * 100)) % 9973", 15, AMBER),
        ("round(close / last * 1e6) % 9973", 15, GREEN),
    ],
    ids=["hash of two prices", "hash of a ratio"],
)
def test_a_few_hashes_of_bars_are_worth_nothing_a_hair_beside_them(tmp_path, key, count, by_units):
    known = pivots(count, key=key)
    file = written(tmp_path, BY_HASH.format(key=key), f"KNOWN = {known}")
    verdict = check("cheat", "brought along", UNITS, EXACT, file=file)
    assert lights(verdict) == {"brought along": AMBER, UNITS: by_units, EXACT: RED}
    assert "which never come again" in verdict.found(EXACT).claim
    assert verdict.found(EXACT).figures["come_again_share"] < 0.25


HIDDEN_MEANS = {
    "scaled": (f"level = {MEAN * 0.37!r} / 0.37", ""),
    "split": (f"level = {int(MEAN * 1000) // 100} / 10 + {int(MEAN * 1000) % 100} / 1000", ""),
    "names": ("level = WHOLE + PART", f"WHOLE, PART = {int(MEAN)}, {MEAN % 1!r}"),
    "unnamed": (
        "return -1 if view.close > WHOLE + PART else 1",
        f"WHOLE = {int(MEAN)}\nPART = {MEAN % 1!r}",
    ),
    "joined": ("level = float(''.join(PARTS))", f"PARTS = {tuple(repr(MEAN))}"),
    "f-string": (
        "whole, part = W, P\nlevel = float(f'{whole}.{part}')",
        "W, P = {!r}, {!r}".format(*repr(MEAN).split(".")),
    ),
    "reversed": ("level = float(TEXT[::-1])", f"TEXT = {repr(MEAN)[::-1]!r}"),
    "base 36": ("level = int(TEXT, 36) / 10**6", f"TEXT = {np.base_repr(round(MEAN * 10**6), 36)!r}"),
    "bytes": ("level = int.from_bytes(RAW, 'big') / 10**6", f"RAW = {round(MEAN * 10**6).to_bytes(5, 'big')!r}"),
    "comprehension": ("level = sum(x / 7 for x in PARTS)", f"PARTS = [{MEAN * 3!r}, {MEAN * 4!r}]"),
    "divmod": (f"a, b = divmod({round(MEAN * 10**6)}, 10**6)\nlevel = a + b / 10**6", ""),
    "closure": ("level = follow()()", f"def follow():\n    a = {MEAN / 3!r}\n    return lambda: a * 3"),
    "default": ("level = follow()", f"def follow(a={MEAN / 3!r}, b=3):\n    return a * b"),
    "hex": (f"level = float.fromhex({(MEAN / 2).hex()!r}) * 2", ""),
    "complex": (f"level = abs(complex(0, {MEAN / 2!r}) * 2)", ""),
}


@pytest.mark.parametrize(("side", "above"), HIDDEN_MEANS.values(), ids=list(HIDDEN_MEANS))
def test_a_figure_of_the_whole_tape_is_known_by_what_it_comes_to(tmp_path, side, above):
    if "return" not in side:
        side += "\nreturn -1 if view.close > level else 1"
    found = check("cheat", "brought along", file=written(tmp_path, side, above)).found("brought along")
    assert found.light is RED
    assert "the mean close of the whole tape" in found.claim


def test_a_deviation_of_all_returns_is_known_by_what_it_comes_to_and_by_nothing_else(tmp_path):
    """It has no unit, so that no other units and no other prices show it: what puts it together is read for this."""
    deviation = float((np.diff(TABLE.close) / TABLE.close[:-1]).std())
    side = f"""
        level = {deviation * 3!r} / 3
        last, close = memory.last, view.close
        memory.last = close
        if not last:
            return memory.side
        move = close / last - 1
        return 1 if move > level else -1 if move < -level else memory.side
    """
    verdict = check("cheat", "brought along", UNITS, EXACT, file=written(tmp_path, side))
    assert lights(verdict) == {"brought along": RED, UNITS: GREEN, EXACT: GREEN}


def test_a_figure_that_is_hidden_between_parameters_is_known_by_what_it_comes_to(tmp_path):
    text = written(tmp_path, "return -1 if view.close > self.params.a / self.params.b else 1").read_text()
    file = tmp_path / "cheat.py"
    file.write_text(
        text.replace("    qty: float", f"    a: float = {MEAN * 0.7!r}\n    b: float = 0.7\n    qty: float")
    )
    assert check("cheat", "brought along", file=file).light is RED


def test_prices_that_are_transformed_in_the_file_are_found_as_what_they_become(tmp_path):
    above = f"SCALED = {[round(close * 700) for close in CLOSES[:60]]}\nKNOWN = [each / 700 for each in SCALED]"
    found = check("cheat", "brought along", file=written(tmp_path, "return memory.side", above)).found("brought along")
    assert found.light is RED
    assert "prices of this tape" in found.claim


BITS = 3**300
TABLES = {
    "name": f"class Data(Struct):\n    a{BITS:x}: int = 0\n\n\nTABLE = 1",
    "name of a function": f"def f{BITS:x}():\n    pass",
    "many names": "\n".join(f"a{part:04d} = 1" for part in range(1000, 1060)),
    "bytes": f"TABLE = {BITS.to_bytes(60, 'big')!r}",
    "short texts": "\n".join(f"T{at} = '{BITS >> at & 0xFFFFFFFFFFFFFFFF:x}'" for at in range(0, 480, 64)),
    "few letters": "TABLE = ("
    + ", ".join(repr(f"{BITS >> at & 0xFFF:012b}".replace("0", "u").replace("1", "d")) for at in range(0, 360, 12))
    + ")",
    "digits": "TABLE = " + " + ".join(str(BITS // 1000**at % 1000) for at in range(40)),
    "a sum of shifts": "TABLE = " + " + ".join(f"({BITS >> at & 255} << {at})" for at in range(0, 480, 8)),
    "floats": "\n".join(f"T{at} = {0.1 + (BITS >> at & 0xFFFF) / 2**16!r}" for at in range(0, 160, 16)),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_file_is_asked_for_what_it_can_hold_wherever_it_holds_it(tmp_path, table):
    found = check("cheat", "brought along", file=written(tmp_path, "return memory.side", table)).found("brought along")
    assert found.light is AMBER
    assert "nothing shows where" in found.claim


@pytest.mark.parametrize(
    "way", ["note.__doc__", 'getattr(note, "__doc__")', "locals()['note']", "Kept.__struct_fields__[0]"]
)
def test_a_file_that_reads_its_own_text_is_seen(tmp_path, way):
    above = f'class Kept(Struct):\n    first: int = 0\n\n\ndef note():\n    """{BITS:x}"""\n\n\nTEXT = {way}'
    assert check("cheat", "reach", file=written(tmp_path, "return memory.side", above)).light is RED


def test_what_people_write_is_no_table():
    said = (
        "class P:\n    'The slow average: see https://example.org/a/page?of=many&words=more'\n"
        "    n: int = field(description='x' * 50)"
    )
    assert luggage.information(ast.parse(said)) < 10
    for kind, cls in BUILT_IN.items():
        source = Path(inspect.getfile(cls)).read_text()
        assert luggage.information(ast.parse(source)) < luggage.ROOM_BITS * 0.6, kind


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "(2 << 10**12)",
        "'a' * 10**12",
        "[0] * 10**12 * 2",
        "sum(x * y for x in range(10**4) for y in range(10**4))",
        "list(range(10**12))",
        "bytes(10**12)",
        "1 / 0",
        "int('x')",
        "(lambda: 1)()",
        "'{:>9999999999}'.format(1)",
        "f'{1:>99999999999}'",
        "'a'.ljust(10**11)",
        "pow(7, 10**9)",
        "'ab'.join('c' * 40000).replace('a', 'a' * 40000)",
        "'%099999999999d' % 1",
        "int('9' * 40000)",
        "'%0999999999d' % 1",
        "'{:>{}}'.format(1, 10**10)",
        "+".join(["1"] * 900),
        "[" + ",".join(["sum(x for x in range(30000))"] * 200) + "]",
    ],
)
def test_no_expression_keeps_the_reader_busy(text):
    began = time.process_time()
    list(folded(f"A = {text}\nB = 1 + 1\n", {}, {}))
    assert time.process_time() - began < 1.5
    assert (1, 2) in list(folded(f"A = 1 + 1\nC = {text}\n", {}, {}))


def test_few_decisions_are_asked_for_less_than_many(tmp_path):
    known = dict.fromkeys(range(300, 312), 1)
    side = f"known = {known}\nreturn known.get(int(view.close * 100) % 997, memory.side)"
    verdict = check("cheat", "runs", "brought along", file=written(tmp_path, side))
    assert lights(verdict)["brought along"] is AMBER
    assert "bits for" in verdict.found("brought along").claim


def test_parameters_that_were_given_count_with_the_file(tmp_path):
    text = written(tmp_path, "return memory.side").read_text()
    file = tmp_path / "cheat.py"
    file.write_text(text.replace("    qty: float", "    secret: str = 'word'\n    qty: float"))
    assert check("cheat", "brought along", file=file).light is GREEN
    assert check("cheat", "brought along", file=file, secret=f"{BITS:x}"[:80]).light is AMBER


def test_a_veto_of_the_worst_trades_is_found_though_all_other_decisions_are_honest(tmp_path):
    plain = check_strategy(StrategyRequest(kind=str(CHEATS / "honest.py")), [DATA], SETTINGS, only=["runs", EXACT])
    assert plain.light is GREEN
    known = pivots(40, key="round(close / last * 1e6) % 99991")
    side = """
        last, close = memory.last, view.close
        memory.last = close
        mean = memory.mean.value
        memory.mean.update(close)
        if isnan(mean):
            return memory.side
        key = round(close / last * 1e6) % 99991
        return KNOWN[key] if key in KNOWN else 1 if close > mean else -1
    """
    found = check("cheat", EXACT, file=written(tmp_path, side, f"KNOWN = {known}")).found(EXACT)
    assert found.light is AMBER
    assert "nowhere a hair beside" in found.claim


def test_a_lookup_by_volume_is_one_by_level(tmp_path):
    file = written(tmp_path, "return 1 if view.bar.volume > 600 else -1")
    assert check("cheat", UNITS, file=file).light is AMBER


def test_reading_a_file_changes_nothing_in_it():
    seen: list[int] = []
    list(
        folded(
            "SEEN.append(1)\nSEEN.extend([2, 3])\nKNOWN.pop(1)\nA = KNOWN.get(1)\n", {"SEEN": seen, "KNOWN": {1: 5}}, {}
        )
    )
    assert seen == []
    assert (0, 5) in list(folded("KNOWN.pop(1)\nA = KNOWN.get(1)\n", {"KNOWN": {1: 5}}, {}))


def test_many_expressions_do_not_keep_the_reader_busy_either():
    began = time.process_time()
    found = list(folded("\n".join(f"A{at} = sum(x * {at} for x in range(9000))" for at in range(400)), {}, {}))
    assert time.process_time() - began < 4
    assert TOO_MUCH in [value for _, value in found]


def test_a_file_that_computes_too_much_to_be_followed_is_asked_what_for(tmp_path):
    side = f"level = sum(1 for _ in range({int(MEAN)}_000)) / 1000\nreturn -1 if view.close > level else 1"
    found = check("cheat", "brought along", file=written(tmp_path, side)).found("brought along")
    assert found.light is AMBER
    assert "more is computed than can be followed" in found.claim


def test_a_check_that_breaks_is_not_judged_and_takes_no_other_along(monkeypatch):
    def broken(case, depth):
        raise ZeroDivisionError("of one check")

    first, second = (each for each in checks.CHECKS if each.name in {"runs", "brought along"})
    monkeypatch.setattr(checks, "CHECKS", (first._replace(find=broken), second))
    verdict = check_strategy(StrategyRequest(kind=str(CHEATS / "honest.py")), [DATA], SETTINGS)
    assert [each.light for each in verdict.findings] == [AMBER, GREEN]
    assert verdict.findings[0].claim == "could not be judged: ZeroDivisionError: of one check"
    assert "test_hidden.py, line" in verdict.findings[0].evidence[0].text()
    assert verdict.light is Light.AMBER


def test_a_level_in_a_parameter_is_said_and_one_that_follows_the_market_is_not(tmp_path):
    text = written(tmp_path, "return -1 if view.close > self.params.level else 1").read_text()
    file = tmp_path / "cheat.py"
    file.write_text(text.replace("    qty: float", "    level: float = 100.0\n    qty: float"))
    found = check("cheat", UNITS, file=file).found(UNITS)
    assert found.light is AMBER
    assert "it knows which price it is" in found.claim
    verdict = check("honest", UNITS, EXACT)
    assert lights(verdict) == {UNITS: GREEN, EXACT: GREEN}
    assert verdict.found(UNITS).figures["same_share"] == 1
    assert verdict.found(EXACT).figures["come_again_share"] > 0.8


def test_two_runs_that_know_nothing_of_each_other_agree_by_chance_alone():
    from domain.desired import Desired, Qty, Target
    from domain.strategy import Wake
    from research.honesty.likeness import alike
    from research.honesty.trace import Decision

    def run(seed: int) -> list[Decision]:
        sides = np.random.default_rng(seed).choice((-1, 1), 4_000).tolist()
        wanted = [Desired(targets=(Target(instrument="X", want=Qty(float(side))),)) for side in sides]
        return [Decision(at, at, at, Wake.BAR, want) for at, want in enumerate(wanted)]

    found = alike(run(1), run(2), range(4_000))
    assert abs(found.share - 0.5) < 0.05
    assert abs(found.kappa) < 0.05
    assert alike(run(1), run(1), range(4_000)).kappa == 1
    assert alike([], [], range(9)) == (1.0, 1.0, 0)


def test_prices_of_books_are_not_said_to_have_been_compared():
    market = simulated(SETTINGS.core.instruments[0], 7, 1_760_000_000 * 10**9, 30 * 10**9)
    request = StrategyRequest(kind="market_maker", params={"qty": 0.01, "max_position": 0.05})
    found = check_strategy(request, [market], SETTINGS, only=["brought along"]).found("brought along")
    assert found.light is GREEN
    assert "with prices of books and trades they are not compared" in found.claim
