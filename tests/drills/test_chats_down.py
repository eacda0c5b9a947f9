"""Drill: both chats are down while a breaker halts trading and a large order waits for a vote."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.verbs import run_line
from domain.breakers import BreachSource
from domain.commands import Door
from domain.facts import TradingState
from domain.security import SecurityBreach
from risk import policy
from tests.bot.world import actor, order, until, world
from tests.drills.report import Figures, carry

pytestmark = pytest.mark.timeout(120)


async def hold(tmp_path) -> tuple[Figures, list[str]]:
    """Nobody can be reached for three minutes; the terminal is all there is."""
    said: list[str] = []
    async with world(tmp_path) as w:
        engine, desk = w.engine, w.desk
        await order(desk, "tina")
        name = next(iter(engine.driver.core.state.requests), "R1")
        begun = engine.driver.core.equity("PAPER:main")
        await w.telegram.stop()
        await w.discord.stop()
        await until(lambda: all(state != "up" for state in w.chat.health().values()))
        engine.play(200)
        engine.put(SecurityBreach(source="the terminal", text="a forged button", kind=BreachSource.BUTTON))
        await until(lambda: w.chat.outbox.waiting() > 0)
        said += [door.text for door in desk.doors() if not door.ok]
        said.append(str(await run_line(w.room, actor("rosa", Door.TERMINAL), f"/approve {name}", "drill:2")))
        state = engine.driver.core.state
        asked = state.requests[name].status.value if name in state.requests else "was none"
        held = any(p.qty for account in state.accounts.values() for p in account.positions.values())
        waits = f"{w.chat.outbox.waiting()} alert(s) kept for the chats" if w.chat.outbox.waiting() else "no alert kept"
        halted = "HALTED" if state.trading is TradingState.HALTED else "as before"
        what = "holding" if held else "nothing held"
        ended = f"{halted}, the request {asked}, {what}, {waits}"
        figures = Figures("both chats down", begun - engine.driver.core.equity("PAPER:main"), Decimal(0), ended)
    return figures, said


def judge(figures: Figures, said: list[str]) -> None:
    """Halted by the breaker, nothing done without a vote, alerts kept, and the terminal says what is wrong."""
    assert figures.ended.startswith("HALTED, the request expired, nothing held"), figures.text()
    assert "kept for the chats" in figures.ended
    assert figures.lost <= figures.bound
    assert len(said) == 3, f"both doors say that they are down: {said}"
    assert "expired" in said[-1], said


async def test_with_both_chats_down_nothing_is_done_without_a_vote_and_the_terminal_knows(tmp_path, record_property):
    figures, said = await hold(tmp_path)
    carry(record_property, figures)
    judge(figures, said)


async def test_without_the_vote_on_large_orders_the_position_is_there_with_nobody_to_see_it(tmp_path, monkeypatch):
    monkeypatch.setattr(policy, "needs_approval", lambda *_, **__: None)
    figures, said = await hold(tmp_path)
    with pytest.raises(AssertionError, match="holding"):
        judge(figures, said)
