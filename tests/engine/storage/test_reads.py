"""What the desk reads."""

from decimal import Decimal

import pytest

from domain.commands import Actor, Door
from domain.facts import Alerted, CommandDone, EquitySampled, FillBooked, Severity
from domain.record_views import AuditQuery
from domain.verdict import Reason
from engine.desk_records import DeskRecords, matches, row_of
from engine.storage.audit import search
from engine.storage.projector import Projector
from engine.storage.reads import audit, equity_curve, params, trades
from tests.engine.storage.fakefacts import INSTRUMENTS, make_facts, params_fact


@pytest.fixture
def projector(tmp_path):
    projector = Projector(f"sqlite:///{tmp_path / 'p.db'}", INSTRUMENTS)
    projector.open()
    yield projector
    projector.close()


def sample(seq: int, account: str, equity: int) -> EquitySampled:
    zero = Decimal(0)
    return EquitySampled(
        seq=seq, index=0, ts_ns=seq * 10, account=account, cash=zero, unrealised=zero, equity=Decimal(equity),
        realised=zero, fees=zero, funding=zero,
    )  # fmt: skip


def test_an_empty_projection_reads_as_nothing(projector):
    assert not trades(projector.engine)
    assert not equity_curve(projector.engine)


def test_trades_come_newest_first_in_decimals(projector):
    facts = make_facts(400)
    projector.apply(facts)
    fills = [fact for fact in facts if isinstance(fact, FillBooked)]
    rows = trades(projector.engine, limit=7)
    assert [row.fill_id for row in rows] == [fill.fill_id for fill in reversed(fills[-7:])]
    scale = INSTRUMENTS[fills[-1].instrument]
    assert rows[0].price == Decimal(scale.price_text(fills[-1].price))
    assert rows[0].side in {"buy", "sell"}
    assert rows[0].fee == fills[-1].fee


def test_the_equity_curve_adds_up_all_accounts_with_their_last_sample(projector):
    projector.apply([sample(1, "a", 100), sample(2, "b", 50), sample(3, "a", 110), sample(4, "b", 40)])
    points = [(p.ts_ns, int(p.equity)) for p in equity_curve(projector.engine)]
    assert points == [(10, 100), (20, 150), (30, 160), (40, 150)]
    assert [int(p.equity) for p in equity_curve(projector.engine, limit=2)] == [160, 150]
    assert [int(p.equity) for p in equity_curve(projector.engine, limit=1)] == [150]


def command(seq: int, person: str, verb: str, text: str, *, ok: bool = True) -> CommandDone:
    return CommandDone(
        seq=seq, index=1, ts_ns=seq * 10, request_id=f"k{seq}", actor=Actor(person=person, door=Door.TELEGRAM),
        verb=verb, ok=ok, text=text, reason=None if ok else Reason.ROLE,
    )  # fmt: skip


ACTS = (
    command(1, "tina", "halt", "Trading is HALTED."),
    command(2, "vera", "resume", "Refused, ROLE: 100% not allowed", ok=False),
    Alerted(seq=3, index=0, ts_ns=30, severity=Severity.ERROR, kind="security", text="A forged button."),
    Alerted(seq=4, index=0, ts_ns=40, severity=Severity.ERROR, kind="feed", text="stale"),
    command(5, "rosa", "set_params", "maker has new parameters"),
)
QUESTIONS = (
    AuditQuery(),
    AuditQuery(person="Tina"),
    AuditQuery(verb="se"),
    AuditQuery(text="HALTED"),
    AuditQuery(text="100%"),
    AuditQuery(text="1_0"),
    AuditQuery(outcome="refused"),
    AuditQuery(outcome="done", since_ns=20),
    AuditQuery(since_ns=20, until_ns=50),
    AuditQuery(before=(5, 1)),
    AuditQuery(before=(3, 0)),
    AuditQuery(limit=2),
)


@pytest.mark.parametrize("wanted", QUESTIONS, ids=lambda wanted: repr(wanted)[11:70])
def test_the_database_finds_the_same_commands_as_memory(projector, wanted):
    projector.apply(ACTS)
    rows = [row for fact in reversed(ACTS) if (row := row_of(fact)) is not None]
    assert audit(projector.engine, wanted) == [row for row in rows if matches(row, wanted)][: wanted.limit]


async def test_what_is_not_in_the_database_yet_is_found_too_and_once(projector):
    projector.apply(ACTS[:2])
    records = DeskRecords()
    for fact in ACTS:
        records.remember(fact)
    page = await search(projector, records, AuditQuery())
    assert [row.seq for row in page.items] == [5, 3, 2, 1]
    assert not page.problem
    first = await search(projector, records, AuditQuery(limit=3))
    assert first.next == "2.1"
    assert [row.seq for row in (await search(projector, records, AuditQuery(before=(2, 1)))).items] == [1]


async def test_with_the_database_away_what_is_remembered_is_found_and_that_is_said(projector):
    projector.open()
    with projector.engine.begin() as connection:
        connection.exec_driver_sql("drop table commands")
    records = DeskRecords()
    records.remember(ACTS[0])
    page = await search(projector, records, AuditQuery())
    assert [row.verb for row in page.items] == ["halt"]
    assert "cannot be read" in page.problem


def test_parameters_come_back_as_they_were_given(projector):
    first = params_fact({"seq": 1, "index": 0, "ts_ns": 10}, {})
    second = params_fact({"seq": 2, "index": 0, "ts_ns": 20}, {"qty": 0.1}, by="")
    projector.apply([first, second])
    rows = params(projector.engine)
    assert [(row.ts_ns, row.by, row.is_load, row.before) for row in rows] == [
        (20, "", False, {"qty": 0.1}),
        (10, "tina", True, {}),
    ]
    assert rows[0].after == {"qty": 0.2, "mode": "take", "on": True, "stop": None}
    records = DeskRecords()
    records.preload_params(rows)
    assert [row.seq for row in records.params("maker")] == [2, 1]
    assert records.params("other") == []
