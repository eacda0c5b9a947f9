"""Drill: the database is down while the market falls. It is nobody's truth: the loss breaker acts, nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from domain.desired import Desired
from domain.facts import FillBooked
from domain.settings import Limits, Settings
from engine.storage import schema
from engine.storage import writer as writer_module
from engine.storage.projector import Projector
from engine.storage.writer import ProjectionWriter
from tests.bot.world import until
from tests.drills.report import Figures, carry
from tests.drills.town import BTC, DEPOSIT, MID, SETTINGS, Town
from tests.engine.core.rig import target

WIDE = replace(
    SETTINGS,
    risk=replace(
        SETTINGS.risk,
        default_limits=Limits(max_position_notional=DEPOSIT, max_order_notional=DEPOSIT),
        max_position_fraction=Decimal(1),
    ),
    approvals=replace(SETTINGS.approvals, large_fraction=Decimal(1)),
)
FALL, FALLING_S = Decimal("0.08"), 120
HELD = Decimal(900_000)
THRESHOLD = Decimal("0.05")
"""Of the breaker `portfolio_loss`: positions are halved, and nothing new is opened."""
A_SAMPLE = FALL / FALLING_S * 10
"""How far the price falls between two looks at the loss."""
LEFT = FALL - THRESHOLD / HELD * DEPOSIT
BOUND = DEPOSIT * THRESHOLD + HELD * A_SAMPLE + HELD / 2 * LEFT + 2 * HELD * BTC.taker_fee


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr(writer_module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(writer_module, "_LONGEST_PAUSE_S", 0.05)


async def hold(folder: Path, settings: Settings = WIDE) -> tuple[Figures, Town, int]:
    """A position of 900,000 in a falling market, every fact of which goes to a database that is not there yet."""
    town = Town.with_strategy(settings=settings)
    projector = Projector(f"sqlite:///{folder / 'disk' / 'live.db'}", {BTC.id: BTC}, "rig")
    writer = ProjectionWriter(projector, lambda _: None)
    await writer.start(1, 0, lambda _: [])
    publish = town.facts.extend

    def tell(facts) -> None:
        publish(facts)
        for fact in facts:
            writer.put(fact)

    town.kernel.publish = tell
    town.script.wants = Desired(targets=(target(15.0),))
    town.walk(MID, 3)
    assert town.worth() == HELD
    town.walk(int(MID * (1 - FALL)), FALLING_S)
    town.walk(town.mid, 15)
    await until(lambda: bool(writer.trouble))
    (folder / "disk").mkdir()
    assert await writer.drain(30)
    await writer.aclose()
    with projector.engine.connect() as connection:
        fills = connection.execute(select(func.count()).select_from(schema.fills)).scalar() or 0
    projector.close()
    halved = town.worth() < HELD * (1 - FALL) * Decimal("0.51")
    ended = f"{'REDUCED (portfolio loss), halved' if halved else 'as before'}; the database caught up"
    return Figures("the database down", town.loss(), BOUND, ended), town, fills


def judge(figures: Figures, town: Town, fills: int) -> None:
    """The breaker acts as ever, and the database has every fill once it is there."""
    assert figures.ended.startswith("REDUCED"), figures.text()
    assert figures.lost <= figures.bound, figures.text()
    assert fills == len(town.told(FillBooked)) > 1


async def test_with_the_database_down_the_loss_breaker_acts_and_nothing_is_lost(tmp_path, record_property) -> None:
    figures, town, fills = await hold(tmp_path)
    carry(record_property, figures)
    judge(figures, town, fills)


async def test_without_the_loss_breaker_the_loss_goes_on(tmp_path) -> None:
    settings = replace(WIDE, breakers=replace(WIDE.breakers, portfolio_loss=None))
    figures, town, fills = await hold(tmp_path, settings)
    with pytest.raises(AssertionError, match="as before"):
        judge(figures, town, fills)
    assert figures.lost > figures.bound
