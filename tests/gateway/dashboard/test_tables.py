"""How views become rows, with views of the real engine."""

from decimal import Decimal

import pytest

from domain.commands import Actor, Door, Halt, ManualTarget, PauseStrategy, Resume
from domain.facts import Severity
from domain.views import OrderView
from gateway.activity import happening
from gateway.dashboard import tables
from gateway.dashboard.grid import Row
from tests.gateway.engine import Engine

ROSA = Actor(person="rosa", door=Door.DASHBOARD)
TINA = Actor(person="tina", door=Door.DASHBOARD)
SOL = "SOL-USDC-PERP.PAPER"


def texts(row: Row) -> list[str]:
    return [cell.get("text", "") for cell in row["cells"]]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(70)


def test_every_row_has_a_cell_for_every_column_and_a_key_of_its_own(engine: Engine):
    desk = engine.desk
    made = [
        (tables.POSITIONS, [tables.position_row(view) for view in desk.positions()]),
        (tables.ORDERS, [tables.order_row(view) for view in desk.orders(recent=True)]),
        (tables.FILLS, [tables.fill_row(view) for view in desk.trades(1000)]),
        (tables.STRATEGIES, [tables.strategy_row(view) for view in desk.strategies()]),
    ]
    for columns, rows in made:
        assert rows
        assert all(len(row["cells"]) == len(columns) for row in rows)
        assert len({row["key"] for row in rows}) == len(rows)


def test_buys_and_sells_are_told_apart_by_colour(engine: Engine):
    for view in engine.desk.trades(1000):
        side = tables.fill_row(view)["cells"][2]
        assert side == {"text": view.side.upper(), "tone": "up" if view.side == "buy" else "down"}


def test_a_trigger_price_is_marked_and_an_unknown_order_stands_out():
    view = OrderView(
        cid="c1",
        owner="turtle-eth",
        account="PAPER:main",
        instrument="ETH-USDC-PERP.PAPER",
        side="sell",
        kind="stop",
        role="stop",
        status="unknown",
        qty=Decimal("1.5000"),
        filled=Decimal(0),
        price=Decimal(0),
        trigger=Decimal("2650.10"),
        reduce_only=True,
        age_s=75.2,
        reason="no answer",
    )
    row = tables.order_row(view)
    assert texts(row) == [
        "1 m",
        "ETH-USDC.PAPER",
        "SELL",
        "1.5000",
        "\N{EN DASH}",
        "@ 2,650.10",
        "stop",
        "unknown",
        "turtle-eth",
    ]
    assert row["cells"][7] == {"text": "unknown", "tone": "warn", "hint": "no answer"}


async def test_the_button_of_a_strategy_follows_its_status(engine: Engine):
    def buttons() -> list[str]:
        [view] = [view for view in engine.desk.strategies() if view.id == "turtle-eth"]
        return [action for action, _, _ in tables.strategy_row(view)["cells"][-1]["buttons"]]

    assert buttons() == ["pause"]
    await engine.desk.submit(PauseStrategy(strategy="turtle-eth"), ROSA)
    assert buttons() == ["start"]


async def test_a_request_shows_its_votes_and_the_time_left(engine: Engine):
    async with engine.desk.facts() as facts:
        await engine.desk.submit(Halt(reason="lunch"), ROSA)
        await engine.desk.submit(Resume(reason="back"), ROSA)
        told = [item for fact in facts._unread if (item := happening(fact))]
    [view] = engine.desk.pending()
    row = tables.request_row(view, view.expires_ns - 90 * 10**9)
    assert row["key"] == view.id
    assert texts(row)[1:3] == [f"{len(view.votes)}/2", "1 m"]
    assert [action for action, _, _ in row["cells"][3]["buttons"]] == ["approve", "deny"]
    assert any(item.severity is Severity.WARNING and "HALTED" in item.text and "lunch" in item.text for item in told)
    assert any(view.id in item.text for item in told)
    assert len({item.key for item in told}) == len(told)


async def test_what_happened_is_said_in_words_and_once():
    engine = Engine(5)
    async with engine.desk.facts() as facts:
        await engine.desk.submit(ManualTarget(account="PAPER:main", instrument=SOL, qty=Decimal(60)), TINA)
        told = [item.text for fact in facts._unread if (item := happening(fact))]
    assert len(told) == 1, "that it waits for approval is not told as a refusal too"
    assert told[0].startswith("R1 is pending, 0 of 1 votes, asked by tina: tina wants 60.00 SOL-USDC-PERP.PAPER")
    assert not any("manual:" in text for text in told)
