"""Performance is counted exactly: parts add up to the whole, and the whole is what equity changed by, less deposits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.facts import CashMoved, EquitySampled, FillBooked
from domain.performance import Part, Performance
from domain.settings import SECOND_NS
from engine.past import now_of
from engine.storage import counting, ledger, period
from engine.storage.ledger import Ledger
from engine.storage.period import read_performance
from engine.storage.projector import Projector
from exchanges.paper.config import PaperConfig
from tests.engine.core.floor import Floor
from tests.engine.core.golden import STRATEGIES
from tests.engine.core.rig import ACCOUNT, ETH, SUB, WIDE

QUICK = replace(
    WIDE,
    instruments=tuple(replace(i, funding_interval_ns=11 * SECOND_NS) for i in WIDE.instruments),
    execution=replace(WIDE.execution, equity_sample_ns=2 * SECOND_NS, reconcile_every_ns=5 * SECOND_NS),
)
FIELDS = ("realised", "unrealised", "fees", "funding")
ZERO = Decimal(0)


class Told(Floor):
    """A floor whose facts are kept and projected."""

    def __init__(self, folder, seed: int) -> None:
        super().__init__(QUICK, config=PaperConfig(seed=seed))
        self.rng = random.Random(seed)
        self.projector = Projector(
            f"sqlite:///{folder / f'{seed}.db'}", {i.id: i for i in QUICK.instruments}, "installation"
        )
        self.projector.open()
        for spec in STRATEGIES:
            self.put_to_work(spec)

    def pay_in(self, account: str, amount: int) -> None:
        """Money comes or goes at the venue, and nobody tells us: it is seen when nothing is traded for a while."""
        for spec in STRATEGIES:
            self.say(c.PauseStrategy(strategy=spec.id), "dot")
        held = self.exchange.floor.accounts[account]
        held.cash += amount
        held.deposits += amount
        self.run(14)
        for spec in STRATEGIES:
            self.say(c.StartStrategy(strategy=spec.id), "dot")

    def some_time(self) -> None:
        rng = self.rng
        for turn in range(6):
            self.run(rng.randint(4, 9), seed=rng.randint(1, 99))
            if turn in {1, 4}:
                self.pay_in(rng.choice([ACCOUNT, SUB]), rng.choice([-70_000, 5_000, 250_000]))
            elif rng.random() < 0.6:
                qty = Decimal(rng.choice([-3, 2, 5]))
                self.say(c.ManualTarget(account=ACCOUNT, instrument=ETH.id, qty=qty), "dot")
        self.run(7)
        self.projector.apply(self.facts)

    def performance(self, since_ns: int, until_ns: int, *, live: bool = True) -> Performance:
        last = self.facts[-1]
        now = now_of(self.core, self.now_ns, (last.seq, last.index)) if live else None
        return read_performance(self.projector.engine, since_ns, until_ns, now)


@pytest.fixture(scope="module", params=[1, 2, 3])
def told(request, tmp_path_factory) -> Iterator[Told]:
    floor = Told(tmp_path_factory.mktemp("ledger"), request.param)
    floor.some_time()
    yield floor
    floor.projector.close()


def total(parts: tuple[Part, ...], field: str) -> Decimal:
    return sum((getattr(part, field) for part in parts), start=ZERO)


def periods(floor: Told) -> list[tuple[int, int]]:
    begin, end = floor.facts[0].ts_ns, floor.now_ns + SECOND_NS
    cuts = sorted(floor.rng.randint(begin, end) for _ in range(6))
    return [(begin - SECOND_NS, end), (cuts[0], end), *pairwise(cuts)]


def test_the_whole_is_the_change_of_equity_less_what_was_paid_in(told):
    for since_ns, until_ns in periods(told):
        seen = told.performance(since_ns, until_ns)
        assert seen.net == seen.end_equity - seen.start_equity - seen.deposits
        if not seen.problem:
            assert seen.points[-1].profit == seen.net
            assert seen.points[-1].equity == seen.end_equity


def test_strategies_venues_symbols_and_days_each_add_up_to_the_whole(told):
    for since_ns, until_ns in periods(told):
        seen = told.performance(since_ns, until_ns)
        for parts in (seen.by_strategy, seen.by_venue, seen.by_symbol):
            for field in FIELDS:
                assert total(parts, field) == getattr(seen, field), field
            assert sum(part.trades for part in parts) == seen.trades
            assert not [part for part in parts if part.name == "not attributed" and part.net]
        for field in (*FIELDS, "deposits"):
            assert sum((getattr(day, field) for day in seen.by_day), start=ZERO) == getattr(seen, field), field


def test_the_tape_was_worth_counting(told):
    seen = told.performance(0, told.now_ns + 1)
    assert seen.fills == sum(isinstance(fact, FillBooked) for fact in told.facts) > 20
    assert seen.trades > 3
    assert seen.funding
    assert seen.deposits
    kinds = {fact.kind.value for fact in told.facts if isinstance(fact, CashMoved)}
    assert {"deposit", "funding"} <= kinds
    assert {part.name for part in seen.by_strategy} >= {"quoter", "cross"}
    assert {part.name for part in seen.by_symbol} == {"BTC", "ETH"}


def test_deposits_are_taken_from_the_ledger_and_counted_from_the_samples_only_where_it_lacks_some(told, monkeypatch):
    asked: list[bool] = []
    curve = period._curve

    def noted(first, rest, end_ns, now, flows):
        asked.append(flows is None)
        return curve(first, rest, end_ns, now, flows)

    monkeypatch.setattr(period, "_curve", noted)
    for since_ns, until_ns in periods(told):
        told.performance(since_ns, until_ns)
    assert asked
    assert not any(asked)
    whole = told.performance(0, told.now_ns + 1)
    monkeypatch.setattr(period, "_flows", lambda _connection, _after: [])
    assert told.performance(0, told.now_ns + 1) == whole
    assert asked[-1], "an older build did not tell of them"


def test_periods_that_meet_leave_nothing_out(told):
    cuts = sorted({told.rng.randint(told.facts[0].ts_ns, told.now_ns) for _ in range(4)})
    edges = [told.facts[0].ts_ns - 1, *cuts, told.now_ns + 1]
    whole = told.performance(edges[0], edges[-1])
    pieces = [told.performance(*edge) for edge in pairwise(edges)]
    for field in (*FIELDS, "deposits", "net", "fills", "trades"):
        assert sum(getattr(piece, field) for piece in pieces) == getattr(whole, field), field


def test_up_to_now_is_what_the_accounts_say(told):
    seen = told.performance(0, told.now_ns + 1)
    accounts = told.core.state.accounts.values()
    assert seen.end_equity == sum(told.core.equity(account.id) for account in accounts)
    assert seen.realised == sum(account.realised for account in accounts)
    assert seen.fees == sum(account.fees for account in accounts)
    assert seen.funding == sum(account.funding for account in accounts)


def test_without_the_books_of_now_the_last_sample_ends_the_period(told):
    seen = told.performance(0, told.now_ns + 1, live=False)
    last = [fact for fact in told.facts if isinstance(fact, EquitySampled)][-2:]
    assert seen.to_ns == last[-1].ts_ns
    assert seen.end_equity == sum(fact.equity for fact in last)
    for field in FIELDS:
        assert total(seen.by_strategy, field) == getattr(seen, field)


def test_a_period_without_data_says_why(told):
    begin, now = told.facts[0].ts_ns, told.now_ns
    early = told.performance(begin - 90 * SECOND_NS, begin - 60 * SECOND_NS)
    assert "the records begin at" in early.problem
    assert "to come" in told.performance(now + 60 * SECOND_NS, now + 90 * SECOND_NS).problem
    assert not told.performance(begin - 90 * SECOND_NS, now).problem


def test_nothing_sampled_yet_is_said(tmp_path):
    projector = Projector(f"sqlite:///{tmp_path / 'empty.db'}", {})
    projector.open()
    seen = read_performance(projector.engine, 0, 10**18, None)
    assert "not been sampled" in seen.problem
    assert seen.net == 0
    projector.close()


async def test_the_newest_fill_is_waited_for_and_a_database_that_is_away_is_said(told, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "WAIT_S", 0.3)
    names = {i.id: i for i in QUICK.instruments}
    projector = Projector(f"sqlite:///{tmp_path / 'late.db'}", names, "installation")
    projector.open()
    last = told.facts[-1]
    now = now_of(told.core, told.now_ns, (last.seq, last.index))
    late = asyncio.get_running_loop().call_later(0.05, projector.apply, told.facts)
    seen = await Ledger(projector).performance(0, now.ts_ns + 1, now)
    assert (seen.problem, seen.fills) == ("", told.performance(0, now.ts_ns + 1).fills)
    late.cancel()
    behind = await Ledger(projector).performance(0, now.ts_ns + 1, now_of(told.core, now.ts_ns, (last.seq + 9, 0)))
    assert behind.notes[0].startswith("The database is behind")
    projector.close()
    away = Projector(f"sqlite:///{tmp_path / 'nowhere' / 'p.db'}", names, "installation")
    assert "cannot be read" in (await Ledger(away).performance(0, now.ts_ns + 1, now)).problem


@pytest.mark.parametrize("told", [1], indirect=True)
async def test_a_long_period_is_counted_in_a_process_of_its_own_to_the_same_figures(told, monkeypatch):
    monkeypatch.setattr(counting, "LONG_ROWS", 0)
    last = told.facts[-1]
    now = now_of(told.core, told.now_ns, (last.seq, last.index))
    here = told.performance(0, told.now_ns + 1)
    there = Ledger(told.projector)
    assert await there.performance(0, told.now_ns + 1, now) == here
    assert (await there.exposure(0, told.now_ns + 1, now)).points


@pytest.mark.parametrize("told", [1], indirect=True)
async def test_a_count_that_ends_early_is_said_and_leaves_no_process(told, monkeypatch, caplog):
    monkeypatch.setattr(counting, "LONG_ROWS", 0)
    monkeypatch.setattr(counting, "WITHIN_S", 0.0)
    now = now_of(told.core, told.now_ns, (0, 0))
    seen = await Ledger(told.projector).performance(0, told.now_ns + 1, now)
    assert "No figures" in seen.problem
    assert "not counted within" in caplog.text
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert "No figures" in (await Ledger(told.projector).performance(0, told.now_ns + 1, now)).problem


@pytest.mark.parametrize("told", [1], indirect=True)
async def test_postgresql_gives_the_same_figures_as_sqlite_here_and_in_the_process(told, postgres, monkeypatch):
    projector = Projector(postgres.url, {i.id: i for i in QUICK.instruments}, "installation")
    projector.open()
    projector.rebuild(told.facts)
    last = told.facts[-1]
    now = now_of(told.core, told.now_ns, (last.seq, last.index))
    there, here = Ledger(projector), Ledger(told.projector)
    for since_ns, until_ns in periods(told):
        seen = await there.performance(since_ns, until_ns, now)
        assert seen == await here.performance(since_ns, until_ns, now)
        assert await there.exposure(since_ns, until_ns, now) == await here.exposure(since_ns, until_ns, now)
        fills = await there.fills(since_ns, until_ns, ETH.id, now)
        assert fills == await here.fills(since_ns, until_ns, ETH.id, now)
    whole = await there.performance(0, told.now_ns + 1, now)
    monkeypatch.setattr(counting, "LONG_ROWS", 0)
    assert await there.performance(0, told.now_ns + 1, now) == whole
    assert whole.fills > 20
    projector.close()
