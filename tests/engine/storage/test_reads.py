"""What the desk reads."""

from decimal import Decimal

import pytest

from domain.facts import EquitySampled, FillBooked
from engine.storage.projector import Projector
from engine.storage.reads import equity_curve, trades
from tests.engine.storage.fakefacts import INSTRUMENTS, make_facts


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
