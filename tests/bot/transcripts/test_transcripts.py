"""Transcripts: what people read in each situation, made by a real run and kept beside this file to be read.

A change of wording shows up here as a difference. Write them anew with

    MOONDEV_WRITE_TRANSCRIPTS=1 ./moondev test tests/bot/transcripts

and read what has changed as somebody who was woken by it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from domain.facts import Alerted, Severity
from tests.bot.test_telegram import trade
from tests.bot.transcripts.stage import Stage, stage
from tests.bot.world import GROUP

HERE = Path(__file__).parent
Scene = Callable[[Stage], Awaitable[None]]


async def first_contact(s: Stage) -> None:
    await s.says("tina", "/start")
    await s.says("vera", "/help")
    await s.says("tina", "/help order")
    await s.says("tina", "/whoami", chat=GROUP)
    await s.says("stranger", "/status")
    await s.says("stranger", "/halt", chat=GROUP)


async def status_at_three(s: Stage) -> None:
    await s.later(20, "twenty seconds on the market")
    await s.says("vera", "/status")
    await s.says("vera", "/positions")
    await s.says("vera", "/orders")
    await s.says("vera", "/pending")
    await s.says("vera", "/health")


async def small_order(s: Stage) -> None:
    await s.says("tina", "/order buy BTC 0.01")
    await asked(s, "tina")
    await s.later(2, "two seconds later")
    await s.says("tina", "/positions")
    await s.says("tina", "/order buy BTC 0.01")
    if any(button["text"] == "Cancel" for button in s.w.telegram.sent[-1].buttons):
        await s.presses("tina", "Cancel")


async def asked(s: Stage, person: str, chat: int = 0) -> None:
    """Say yes where the verb asks first."""
    if any(button["text"] == "Confirm" for one in s.w.telegram.sent[-6:] for button in one.buttons):
        await s.presses(person, "Confirm", chat)


async def large_order_approved_on_discord(s: Stage) -> None:
    await s.says("tina", "/order buy BTC 0.15")
    await asked(s, "tina")
    await s.clicks("tina", "Approve")
    await s.clicks("rosa", "Approve")
    await s.later(2, "two seconds later")


async def large_order_expires(s: Stage) -> None:
    await s.says("tina", "/order sell ETH 3")
    await asked(s, "tina")
    await s.later(61, "a minute later")
    await s.later(61, "another minute later")


async def refusals(s: Stage) -> None:
    await s.says("vera", "/halt")
    await s.says("tina", "/order buy BTC 5")
    await s.says("tina", "/resume")
    await s.says("tina", "/limits set max_order 1")
    await s.slash("vera", "order", side="buy", symbol="BTC", qty="0.01")


async def typos(s: Stage) -> None:
    for line in (
        "/statsu",
        "/order by BTC 0.1",
        "/order buy BTX 0.1",
        "/order buy BTC lots",
        "/order buy",
        "/positons",
    ):
        await s.says("tina", line)
    await s.says("tina", "status")
    await s.says("tina", "/stop")


async def halt(s: Stage) -> None:
    await s.says("tina", "/halt something is wrong with the prices", chat=GROUP)
    await s.says("tina", "/order buy BTC 0.01", chat=GROUP)
    await s.says("tina", "/halt", chat=GROUP)
    await s.slash("rosa", "resume")
    await s.clicks("rolf", "Approve")
    await s.presses("adam", "Approve")


async def a_strategy_and_its_questions(s: Stage) -> None:
    await s.says("tina", "/strategies load market_maker maker BTC main qty=0.01 max_position=0.05 levels=1")
    await asked(s, "tina")
    await s.later(60, "a minute later")
    await s.says("vera", "/strategies")
    await s.says("tina", "/strategies set maker qty=0.02")
    await asked(s, "tina")
    await s.presses("rosa", "Approve")
    await s.presses("adam", "Approve")
    await s.says("tina", "/halt only maker its quotes are odd")
    await s.says("tina", "/strategies start maker")
    await s.later(31, "half a minute later")
    await s.says("adam", "/schedule set daily 07:00 desk")
    await asked(s, "adam")


async def override(s: Stage) -> None:
    await s.says("rosa", "/override open_positions 25 12 all a busy day")
    await s.presses("rolf", "Approve")
    await s.clicks("adam", "Approve")
    await s.later(180, "three minutes later")
    await s.says("vera", "/overrides")
    await s.says("tina", "/overrides end open_positions")


async def alert_acknowledged(s: Stage) -> None:
    raised(s, "venue_down", "PAPER does not answer since 02:59:40 UTC.", Severity.CRITICAL)
    await s.settle()
    await s.later(130, "two minutes later, nobody has acted")
    await s.says("rosa", "/alerts")
    await s.says("rosa", "/ack")
    await s.says("rolf", "/ack")
    await s.says("vera", "/alerts")
    await s.later(130, "two minutes later")


async def flatten_and_its_incident(s: Stage) -> None:
    await s.says("tina", "/order buy BTC 0.05")
    await asked(s, "tina")
    await s.later(2, "two seconds later")
    await s.says("tina", "/flatten all I do not trust the prices")
    await s.later(3, "three seconds later")
    await s.says("tina", "/positions")
    await s.says("tina", "/incident")
    await s.says("vera", "/status")


async def long_reply(s: Stage) -> None:
    s.w.desk.preload([trade(number) for number in range(500)], [])
    await s.says("vera", "/trades 500")
    await s.slash("vera", "trades", n="500")


def raised(s: Stage, kind: str, text: str, severity: Severity) -> None:
    """The engine warns of something."""
    core = s.w.engine.driver.core.state
    s.w.engine.publish([Alerted(seq=core.seq, index=900, ts_ns=core.ts_ns, kind=kind, text=text, severity=severity)])


SCENES: tuple[Scene, ...] = (
    first_contact,
    status_at_three,
    small_order,
    large_order_approved_on_discord,
    large_order_expires,
    refusals,
    typos,
    halt,
    a_strategy_and_its_questions,
    override,
    alert_acknowledged,
    flatten_and_its_incident,
    long_reply,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_people_read_what_the_transcript_says(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = HERE / f"{scene.__name__}.txt"
    async with stage(tmp_path, monkeypatch, strategies=scene is status_at_three) as s:
        await scene(s)
        if os.environ.get("MOONDEV_WRITE_TRANSCRIPTS"):
            kept.write_text(s.text)
        assert s.text == kept.read_text()


def test_every_transcript_belongs_to_a_scene() -> None:
    assert {file.stem for file in HERE.glob("*.txt")} == {scene.__name__ for scene in SCENES}
