"""The maker of docs/strategies.md: its page, its walk-forward, and the markets that it makes up."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from domain.market import Bar
from research.optimise.evidence import LEAST_POOL
from research.strategies_on_record import made, planted, walk
from research.strategies_on_record.__main__ import everything
from research.strategies_on_record.cases import CASES, Case
from research.strategies_on_record.page import page
from research.strategies_on_record.planted import PLANTED, came_of
from research.strategies_on_record.ran import part_of, run, stitched
from research.strategies_on_record.said import SAID
from research.strategies_on_record.walk import Ground, moved
from tests.research.optimise.room import write_bars

BREAKS: dict[str, Any] = {"style": "take", "entry_bars": 5, "exit_bars": 3, "atr_bars": 5, "take_profit_pct": 0.1}
SHORT = Case(
    kind="turtle",
    title="a short file",
    files=("BTC_USDT-5m.parquet",),
    params=BREAKS,
    space="entry_bars=4..8,exit_bars=2..5",
    moved=("entry_bars", "max_units"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write_bars(path / SHORT.files[0], 300)
    return path


@pytest.fixture(scope="module")
def all_of_it(folder):
    quick = tuple(replace(case, moved=()) for case in PLANTED if case.kind == "arbitrage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "TRIALS", LEAST_POOL)
        return everything(folder, (SHORT,), quick, is_shared=False)


@pytest.fixture(scope="module")
def made_page(all_of_it):
    return page(all_of_it)


def test_every_strategy_has_a_section_and_its_words(made_page):
    for said in SAID.values():
        assert f"## {said.title}\n" in made_page
        assert said.loses.split()[-1] in made_page


def test_both_parts_the_walk_forward_and_each_run_stand_in_the_page(made_page, folder):
    rows = [line for line in made_page.splitlines() if line.startswith(("| first", "| last", "| walk-forward"))]
    assert [row.split(" |")[0] for row in rows] == ["| first 60 %", "| last 40 %", "| walk-forward"]
    result = run("turtle", BREAKS, SHORT.open(folder))
    assert result.sources[0].sha256[:12] in made_page
    assert f"{LEAST_POOL} points spread over entry_bars=4..8, exit_bars=2..5" in made_page.replace("\n", " ")
    assert "`entry_bars` 5" in made_page


def test_what_nothing_was_recorded_of_says_so(made_page):
    assert "**insufficient data: n = 0.** It needs the fundings" in made_page
    assert "insufficient data: n = 0 round trips" in made_page


def test_lines_that_are_no_table_are_short_enough_to_read(made_page):
    assert max(len(line) for line in made_page.splitlines() if not line.startswith("|")) <= 120


def test_a_fold_is_traded_only_on_blocks_after_those_that_it_was_chosen_on(all_of_it):
    found = all_of_it.shown[0].walk
    assert len(found.folds) == len(found.part.run_ids) == 4
    assert all(max(fold.train) + 1 == fold.test[0] for fold in found.folds)
    assert found.part.start_ns > all_of_it.shown[0].parts[0].start_ns


def test_daily_bars_can_be_walked_though_a_step_is_a_bar(tmp_path):
    """The longest warm-up ends where the study begins: its first bar is a whole step later, and not too late."""
    path = write_bars(tmp_path / "BTC_USDT-1d.parquet", 400)
    columns = pq.read_table(path).to_pydict()
    columns["ts_ns"] = [1_600_041_600_000_000_000 + n * 86_400 * 10**9 for n in range(400)]
    pq.write_table(pa.table(columns), path)
    ground = Ground(Case(kind="turtle", title="", files=(path.name,), params=BREAKS, space="entry_bars=5..6"), tmp_path)
    assert "warm-up" not in ground.defaults.reason


def test_runs_one_after_the_other_are_one_account(folder):
    sources = SHORT.open(folder)
    middle_ns = (sources[0].first_ns + sources[0].last_ns) // 2
    halves = [run("turtle", BREAKS, sources, end_ns=middle_ns - 1), run("turtle", BREAKS, sources, start_ns=middle_ns)]
    whole = part_of("both", halves)
    assert math.isclose(whole.measures.pnl, float(sum(half.pnl for half in halves)), abs_tol=1e-6)
    assert whole.measures.trips.count == sum(len(half.trades) for half in halves)
    assert [ts for ts, _ in stitched(halves).samples] == sorted(ts for ts, _ in stitched(halves).samples)


def test_parameters_are_moved_by_their_share_and_refused_ones_say_so():
    seen: list[dict[str, Any]] = []

    def pnl(changed: dict[str, Any]) -> float:
        seen.append(changed)
        return float(len(seen))

    (one,) = moved("turtle", {"entry_bars": 20}, ("entry_bars",), pnl)
    assert seen == [{}, {"entry_bars": 10}, {"entry_bars": 16}, {"entry_bars": 24}, {"entry_bars": 30}]
    assert (one.own, one.unmoved, one.pnl) == (20, 1.0, (2.0, 3.0, 4.0, 5.0))
    (edge,) = moved("consolidation", {"edge": 0.4}, ("edge",), pnl)
    assert edge.pnl[-1] == "refused"


@pytest.mark.parametrize("is_there", [True, False])
def test_an_arbitrage_earns_what_is_planted_to_the_cent_and_stays_out_of_what_is_not(is_there):
    (case,) = [case for case in PLANTED if case.kind == "arbitrage" and case.is_there is is_there]
    came = came_of(case)
    if is_there:
        assert came.pnl == pytest.approx(planted.arbitrage_answer(), abs=0.01)
        assert came.verdict.startswith("as reckoned")
    else:
        assert came.verdict == "stayed out"


def test_a_stop_on_a_made_up_walk_earns_nothing_because_bars_reach_beyond_their_ends():
    """Highs of bars that go straight to their close would be too low: a walk reaches further in the mean."""
    tape = made.bars(made.BTC, made.walk(3, 0.002, 4_000), 3, 0.002).tape(0)
    rows = [row for row in tape if isinstance(row, Bar)]
    assert all(row.low <= min(row.open, row.close) for row in rows)
    beyond = [math.log(row.high / row.open) for row in rows]
    assert np.mean(beyond) == pytest.approx(0.002 * math.sqrt(2 / math.pi), rel=0.05)


def test_every_kind_of_the_page_is_run_where_it_should_earn_and_where_it_should_not():
    for is_there in (True, False):
        assert {case.kind for case in PLANTED if case.is_there is is_there} == set(SAID)
    assert {case.kind for case in CASES} == set(SAID) - {"funding_arbitrage"}
