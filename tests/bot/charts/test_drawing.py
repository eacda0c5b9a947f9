"""Charts reach people as pictures that were drawn elsewhere, and as words where there is no picture."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pytest

from bot.charts import draw as drawing
from bot.charts.common import short
from bot.charts.sheet import Line, Panel, Sheet, Unit
from bot.charts.studio import NotDrawn, Studio
from bot.render import plain
from bot.verbs import run_line
from domain.commands import Door
from tests.bot.world import Engine, actor, fresh_id

KINDS = tuple(drawing.MAKERS)


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height, as its header says."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.fixture
async def engine():
    engine = Engine(strategies=True)
    engine.play(150)
    yield engine
    await engine.room.studio.aclose()


def sheet(**changes: Any) -> Sheet:
    line = Line([0, 10**12, 2 * 10**12], [1.0, 3.0, 2.0], label="2")
    panels = [Panel(elements=[line], unit=Unit.MONEY)]
    fields: dict[str, Any] = {
        "title": "T",
        "figure": "2",
        "subtitle": "s",
        "footer": "f",
        "to_ns": 2 * 10**12,
        "panels": panels,
    }
    return Sheet(**fields | changes)


async def test_every_door_gets_a_picture_of_phone_size_with_words(engine):
    reply = await run_line(engine.room, actor("vera", Door.TELEGRAM), "/chart equity 1h", fresh_id())
    (picture,) = reply.pictures
    assert size_of(picture.png)[0] == 1008
    assert picture.name == "equity.png"
    assert "PAPER" in picture.words
    assert reply.title.startswith("Equity: ")


async def test_a_drawing_process_that_dies_is_replaced_and_one_that_hangs_is_said(monkeypatch):
    studio = Studio()
    assert size_of(await studio.draw(sheet()))
    assert studio._child is not None
    studio._child.kill()
    await studio._child.wait()
    assert size_of(await studio.draw(sheet()))
    monkeypatch.setattr("bot.charts.studio.DRAWN_WITHIN_S", 0.001)
    with pytest.raises(NotDrawn, match="not drawn within"):
        await studio.draw(sheet())
    assert studio._child is None
    await studio.aclose()


async def test_a_sheet_that_cannot_be_drawn_is_said_and_the_next_one_is_drawn():
    studio = Studio()
    broken = sheet(panels=[Panel(elements=[Line([1, 2], [1.0])], unit=Unit.MONEY)])
    with pytest.raises(NotDrawn, match="could not be drawn"):
        await studio.draw(broken)
    assert size_of(await studio.draw(sheet()))
    await studio.aclose()


async def test_without_a_picture_the_words_are_told(engine, monkeypatch):
    async def no_picture(_sheet):
        raise NotDrawn("the drawing process ended")

    monkeypatch.setattr(engine.room.studio, "draw", no_picture)
    reply = await run_line(engine.room, actor("vera"), "/chart drawdown", fresh_id())
    assert not reply.pictures
    told = plain(reply)
    assert "Drawdown: " in told
    assert "There is no picture" in told


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/chart equty", "equity"),
        ("/chart DOGE", "no chart of 'DOGE'"),
        ("/chart equity 7x", "7x"),
        ("/chart equity 30", "30 of what?"),
    ],
)
async def test_what_cannot_be_drawn_is_answered_with_what_can(engine, line, hint):
    reply = await run_line(engine.room, actor("vera"), line, fresh_id())
    assert not reply.ok
    assert hint in plain(reply)


async def test_figures_of_a_chart_are_those_of_the_desk(engine):
    now_ns = engine.now_ns()
    seen = await engine.desk.performance(0, now_ns)
    shown = await drawing.sheet_of("equity", engine.room, 0, now_ns, "", "UTC")
    line = shown.panels[0].elements[0]
    assert isinstance(line, Line)
    assert Decimal(str(line.values[-1])) == round(seen.end_equity, 10)
    assert shown.figure == short(seen.end_equity)
