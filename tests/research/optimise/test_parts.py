"""The parts of a study by hand: space, even points, folds, neighbourhoods, figures, verdict."""

import math
import random
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from pydantic import Field

from domain.errors import ConfigError
from domain.strategy import Params
from engine.strategies.turtle import TurtleParams
from research.measures.benchmark import hold
from research.measures.curve import curve_of
from research.optimise.conclude import Beside, conclude
from research.optimise.definition import Numbered
from research.optimise.evidence import Scored, front_of, held, schemes_of
from research.optimise.explore import point
from research.optimise.folds import folds_of
from research.optimise.job import Run
from research.optimise.objectives import OBJECTIVES
from research.optimise.pieces import Block, Pieces, part, steps_of
from research.optimise.robust import choose, ground, neighbours
from research.optimise.space import problem_with, space_of
from research.optimise.spans import DAY_NS, Cuts
from tests.research.optimise.room import ready, write_bars

WHOLE = Block(trades=40, wins=20, won=10.0, lost=8.0, fees=1.0, traded=100.0)


class Odd(Params):
    """Every kind of field."""

    length: int = Field(10, ge=2, le=1000)
    share: float = Field(0.5, gt=0, le=1)
    shift: float = Field(0.0, ge=-1, le=1)
    flag: bool = False
    free: int = 3
    name: str = "x"


def test_the_space_is_what_the_model_bounds():
    space = space_of(Odd, "", {})
    by_name = {dimension.name: dimension for dimension in space.dimensions}
    assert list(by_name) == ["length", "share", "shift", "flag"]
    assert (by_name["length"].log, by_name["share"].log, by_name["shift"].log) == (True, True, False)
    assert by_name["share"].low == 0.001
    assert by_name["flag"].choices == (False, True)
    assert any("free has no" in left for left in space.left_out)


def test_the_space_is_restricted_in_the_models_own_range():
    space = space_of(TurtleParams, "entry_bars=20..100:20,style,stop_atr=0.5..4:log", {"max_units": 2})
    values = space.at([0.999, 0.5, 0.0])
    assert values == {"entry_bars": 100, "stop_atr": 1.41421, "style": "passive"}
    assert space.params(values)["max_units"] == 2
    for text, words in (
        ("speed=1..2", "is no parameter"),
        ("entry_bars=100..20", "is not below"),
        ("entry_bars=1..20", "the strategy takes 2 to 5000"),
        ("entry_bars=5", "expected low..high"),
        ("style=slow", "choose of passive, take"),
        ("session_zone", "cannot be searched"),
        ("entry_bars,entry_bars", "stands there twice"),
        ("entry_bars=5.5..9.5", "entry_bars is a whole number"),
        ("entry_bars=5..1e3", "entry_bars is a whole number"),
        (f"entry_bars=5..{10**30}", "expected low..high"),
        ("stop_atr=nan..3", "expected low..high"),
        ("stop_atr=1..nan", "expected low..high"),
        ("stop_atr=1..inf", "expected low..high"),
        ("stop_atr=1..3:nan", "expected low..high"),
        ("stop_atr=1..3:1e-300", "too small"),
        ("stop_atr=1|nan", "expected numbers"),
        ("stop_atr=1|inf", "expected numbers"),
        ("stop_atr=2|-1", "the strategy takes 0.05 to 50"),
        ("entry_bars=1|20", "the strategy takes 2 to 5000"),
        ("interval_s=-5..5", "the strategy takes 1 or more"),
    ):
        with pytest.raises(ConfigError, match=words):
            space_of(TurtleParams, text, {})
    with pytest.raises(ConfigError, match="has no lower bound"):
        space_of(Odd, "free", {})


def test_every_point_of_a_space_is_one_that_the_model_takes():
    space = space_of(Odd, "", {})
    for index in range(200):
        values = space.at(point(1, index, len(space.dimensions)))
        assert not problem_with(Odd, space.params(values))
        assert all(dimension.holds(values[dimension.name]) for dimension in space.dimensions)


def test_even_points_leave_no_tenth_of_any_parameter_out():
    points = np.array([point(5, index, 6) for index in range(100)])
    assert points.min() >= 0
    assert points.max() < 1
    for column in points.T:
        assert (np.histogram(column, bins=10, range=(0, 1))[0] >= 7).all()
    assert point(5, 17, 6) == points[17].tolist()
    assert point(6, 17, 6) != points[17].tolist()


CUTS = Cuts(step_ns=DAY_NS, edges=tuple(index * 10 * DAY_NS for index in range(5)), end_ns=50 * DAY_NS)


def test_folds_by_hand():
    anchored = folds_of("anchored", CUTS, purge=2, embargo=0.05)
    assert [(fold.train, fold.test) for fold in anchored] == [((0,), (1,)), ((0, 1), (2,)), ((0, 1, 2), (3,))]
    assert [sorted(fold.purged) for fold in anchored] == [[8, 9], [18, 19], [28, 29]]
    purged = folds_of("purged", CUTS, purge=2, embargo=0.05)[1]
    assert (purged.train, purged.test) == ((0, 2, 3), (1,))
    # two steps of the longest round trip on either side, then two of embargo (5 % of forty) after the test set
    assert sorted(purged.purged) == [8, 9, 20, 21, 22, 23]
    assert [fold.train for fold in folds_of("rolling", CUTS, purge=0, embargo=0)] == [(0, 1), (1, 2)]
    combined = folds_of("combinatorial", CUTS, purge=0, embargo=0)
    assert len(combined) == 6
    assert all(set(fold.train) | set(fold.test) == {0, 1, 2, 3} for fold in combined)


def test_returns_go_from_step_to_step_and_end_where_the_equity_does():
    samples: list[tuple[int, float]] = [(5, 101), (12, 99), (19, 110), (31, 121)]
    assert steps_of(samples, 100, (0, 40), 10).tolist() == pytest.approx([0.01, 110 / 101 - 1, 0.0, 0.1])
    assert steps_of([(5, 0), (15, 50)], 100, (0, 20), 10).tolist() == [-1.0, 0.0]


def pieces(returns) -> Pieces:
    return Pieces(returns=tuple(returns), blocks=(WHOLE,) * 4, deposit=1_000.0)


def test_figures_by_hand():
    found = pieces([0.1, -0.5, 0.2, 0.0, 0.1])
    values = {name: objective.of(found, 365) for name, objective in OBJECTIVES.items()}
    returns = [0.1, -0.5, 0.2, 0.0, 0.1]
    mean = sum(returns) / 5
    spread = math.sqrt(sum((each - mean) ** 2 for each in returns) / 4)
    assert values["sharpe"] == pytest.approx(mean / spread * math.sqrt(365))
    assert values["sortino"] == pytest.approx(mean / math.sqrt(0.25 / 5) * math.sqrt(365))
    assert values["profit"] == pytest.approx(1.1 * 0.5 * 1.2 * 1.1 - 1)
    assert values["drawdown"] == pytest.approx(0.5)
    assert values["turnover"] == pytest.approx(4 * 100 / 1_000 * 365 / 5)
    assert values["profit-factor"] == pytest.approx(10 / 8)
    assert values["win-rate"] == 0.5
    assert OBJECTIVES["sharpe"].of(pieces([0.0] * 8), 365) is None
    assert part(pieces(range(8)), (1, 3), purged=frozenset({2})).returns == (3, 6, 7)


def test_a_plateau_is_chosen_before_a_lucky_peak():
    where = np.linspace(0, 1, 40)[:, None]
    values = np.where(np.abs(where[:, 0] - 0.75) < 0.15, 1.0, 0.0)
    values[3] = 3.0
    index = choose(neighbours(where), values)
    assert values[index] == 1.0
    assert ground(where, values, index).shape == "plateau"
    assert ground(where, values, 3).shape == "peak"


def test_holding_goes_with_the_price_and_is_what_a_report_says_of_it():
    prices = {"A": [(index * DAY_NS, 100.0 + index) for index in range(60)]}
    found = held(prices, 0, 40 * DAY_NS, CUTS, {"A": 0.001})
    assert len(found.returns) == 40
    assert OBJECTIVES["profit"].of(found, 365) == pytest.approx(1.4 * 0.999 * 0.999 - 1)
    curve = hold({"A": curve_of(prices["A"][:41])}, 1.0, {"A": 0.001}, {}, -1)
    assert curve is not None
    assert OBJECTIVES["profit"].of(found, 365) == pytest.approx(curve.growth)


def test_holding_begins_at_the_price_before_the_start_and_ends_with_the_last_whole_step():
    prices = {"A": [(index * DAY_NS, 100.0 + index) for index in range(60)], "B": [(-5 * DAY_NS, 7.0)]}
    found = held(prices, 10 * DAY_NS + 9, 13 * DAY_NS + 99, CUTS, {})
    worth = [(1 + price / 110) / 2 for price in (110, 111, 112, 113)]
    assert found.returns == pytest.approx([after / before - 1 for before, after in pairwise(worth)])


def test_an_hour_of_luck_has_a_calmar_ratio_although_no_float_holds_a_year_of_it():
    hour = pieces([0.05, -0.01, 0.05, 0.03, 0.02])
    assert OBJECTIVES["calmar"].of(hour, 365 * 288) == pytest.approx(math.exp(50) / 0.01, rel=1e-6)
    day = pieces([0.01, -0.02, 0.01, 0.01, 0.01])
    grown = (1.01**4 * 0.98) ** (365 / 5) - 1
    assert OBJECTIVES["calmar"].of(day, 365) == pytest.approx(grown / 0.02)


def made_up(skill, tmp_path, count=60, longest=2):
    """A study whose trials earn `skill(position)` a day, on top of noise."""
    write_bars(tmp_path / "BTC_USDT-5m.parquet", 1_500)
    prepared = ready(tmp_path, space="fast=2..40,slow=41..80", folds=6)
    definition = prepared.definition
    cuts = Cuts(step_ns=DAY_NS, edges=tuple(i * 50 * DAY_NS for i in range(7)), end_ns=400 * DAY_NS)
    definition = replace(definition, explore=count, task=replace(definition.task, cuts=cuts))
    draw = random.Random(4)

    def trial(number, values, days):
        edge = skill(definition.space.coordinates(values)[0])
        returns = tuple(draw.gauss(edge, 0.01) for _ in range(days))
        made = Pieces(returns=returns, blocks=(WHOLE,) * 6, deposit=1_000.0, longest_steps=longest)
        value = OBJECTIVES["sharpe"].of(made, 365)
        return Run(number=number, params=values, state="complete", values=(value,), pieces=made, trades=240)

    trials = []
    for number in range(count):
        values = definition.space.at(point(1, number, 2))
        trials.append(Numbered(number=number, values=values, problem="", run=trial(number, values, 300)))
    held_out = {name: trial(0, trials[0].values, 90) for name in ("best", "defaults")}
    skilled = max(trials, key=lambda each: skill(definition.space.coordinates(each.values)[0]))
    beside = Beside(
        defaults=None,
        held_out=held_out | {"chosen": trial(0, skilled.values, 90)},
        held_studied=pieces([0.001, -0.001] * 20),
        held_held_out=pieces([0.001, -0.001] * 20),
        looks=1,
    )
    return conclude(definition, trials, beside)


def test_noise_is_not_taken_for_skill(tmp_path):
    evidence = made_up(lambda _: 0.0, tmp_path)
    assert (evidence.chosen.studied[0] or 0) > 1
    assert evidence.deflated.value is not None
    assert evidence.deflated.value < 0.95
    combinatorial = next(scored for scored in evidence.schemes if scored.scheme == "combinatorial")
    assert combinatorial.in_sample > 1
    assert abs(combinatorial.out_of_sample) < 1.5
    assert evidence.verdict.startswith(("Do not trade", "Not shown"))


def hill(at: float) -> float:
    """What a trial at this place earns a day."""
    return 0.003 * math.exp(-(((at - 0.6) / 0.3) ** 2))


def test_skill_that_is_there_is_found(tmp_path):
    evidence = made_up(hill, tmp_path)
    assert abs(evidence.chosen.params["fast"] - 25) < 8
    assert evidence.importances["fast"] > 0.7
    assert all(scored.out_of_sample > 1 for scored in evidence.schemes)
    assert next(s for s in evidence.schemes if s.scheme == "combinatorial").overfit < 0.1
    assert evidence.verdict.startswith("Trial"), evidence.reasons
    assert (evidence.deflated.value or 0.0) > 0.95


def test_folds_that_round_trips_reach_across_show_nothing(tmp_path):
    """Blocks are of fifty steps, of which at most half can be purged beside a test set."""
    assert made_up(hill, tmp_path, longest=25).verdict.startswith("Trial")
    evidence = made_up(hill, tmp_path, longest=26)
    assert evidence.verdict.startswith("Not shown that trial")
    assert "round trips of up to 26 steps reach further than the 25 that can be purged" in evidence.verdict


def test_a_point_that_was_proposed_twice_stands_once_on_the_front(tmp_path):
    definition = ready(tmp_path).definition
    definition = replace(definition, task=replace(definition.task, objectives=("profit", "drawdown")))

    def trial(number, profit, fall, same_as=None):
        run = Run(number=number, params={}, state="complete", values=(profit, fall))
        return Numbered(number=number, values={}, problem="", run=run, same_as=same_as)

    trials = [trial(0, 0.1, 0.05), trial(1, 0.2, 0.1), trial(2, 0.1, 0.06), trial(3, 0.2, 0.1, same_as=1)]
    assert front_of(definition, trials) == (1, 0)


def test_a_fold_on_whose_train_set_nothing_can_be_judged_is_none_and_what_is_kept_can_be_read_again(tmp_path):
    """Of twelve points every second one trades in the first block alone: elsewhere it has no Sharpe ratio."""
    definition = ready(tmp_path).definition
    cuts = Cuts(step_ns=DAY_NS, edges=tuple(i * 10 * DAY_NS for i in range(5)), end_ns=50 * DAY_NS)
    definition = replace(definition, task=replace(definition.task, cuts=cuts))
    draw = random.Random(3)

    def trials(idle):
        for number in range(12):
            values = definition.space.at(point(1, number, 2))
            busy = 10 if idle(number) else 40
            made = Pieces(
                returns=tuple(draw.gauss(0.001, 0.01) if day < busy else 0.0 for day in range(40)),
                blocks=(WHOLE,) * 4,
                deposit=1_000.0,
            )
            value = OBJECTIVES["sharpe"].of(made, 365)
            run = Run(number=number, params=values, state="complete", values=(value,), pieces=made, trades=99)
            yield Numbered(number=number, values=values, problem="", run=run)

    for idle in (lambda number: number % 2, lambda _: True):
        schemes = schemes_of(definition, list(trials(idle)), None)
        figures = [value for scored in schemes for fold in scored.folds for value in (fold.in_sample, fold.rank)]
        assert np.isfinite(figures).all()
        assert msgspec.json.decode(msgspec.json.encode(schemes), type=tuple[Scored, ...]) == schemes
    assert [len(scored.folds) for scored in schemes if scored.scheme == "purged"] == [3], "the first block was tested"
