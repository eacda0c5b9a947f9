"""One-time codes at every door: they count once, wrong ones lock, and nothing of them is kept anywhere."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pyotp
import pytest
from msgspec.structs import replace

from bot.render import plain
from bot.verbs import run_line
from domain.codec import encode
from domain.commands import BreakGlass, Door, Halt, Resume
from domain.facts import TradingState
from domain.verdict import Reason
from engine.codes import STEP_S, Codes
from engine.config.load import load_config
from tests.bot.servers.discord_server import shown
from tests.bot.world import DISCORD, GROUP, TELEGRAM, Engine, Secrets, actor, fresh_id, until, world

SECRETS = {"totp_rosa": pyotp.random_base32(), "totp_rolf": pyotp.random_base32()}


def guarded() -> Engine:
    """An engine where every vote needs a code, halted, with a resume that adam has asked for."""
    base = load_config(None).to_settings()
    engine = Engine(replace(base, approvals=replace(base.approvals, codes=True)))
    engine.desk.codes = Codes(Secrets(SECRETS), engine)
    return engine


async def ask(engine: Engine, line: str, person: str = "vera", door: Door = Door.TERMINAL) -> str:
    return plain(await run_line(engine.room, actor(person, door), line, fresh_id()))


def code(engine: Engine, person: str, steps: int = 0) -> str:
    totp = pyotp.TOTP(SECRETS[f"totp_{person}"], interval=STEP_S)
    return totp.generate_otp(engine.now_ns() // (STEP_S * 10**9) + steps)


EPHEMERAL = 64
"""Discord's flag of an answer that nobody else sees: the line with the code stands above it."""


async def resume_asked(engine: Engine) -> None:
    await engine.desk.submit(Halt(), actor("tina"))
    assert (await engine.desk.submit(Resume(), actor("adam"))).request == "R1"


async def test_with_right_codes_two_others_resume_from_the_console() -> None:
    engine = guarded()
    await resume_asked(engine)
    assert "CODE_NEEDED" in await ask(engine, "/approve R1", "rosa")
    digest = engine.desk.pending()[0].digest[:8]
    assert "Your vote counts" in await ask(engine, f"/approve R1 {digest} {code(engine, 'rosa')}", "rosa")
    assert "Trading is resumed" in await ask(engine, f"/approve R1 {code(engine, 'rolf')}", "rolf")


async def test_a_code_counts_once_and_a_neighbouring_one_still_does() -> None:
    engine = guarded()
    await resume_asked(engine)
    await ask(engine, f"/approve R1 {code(engine, 'rosa')}", "rosa")
    await engine.desk.submit(Halt(), actor("tina"))
    await engine.desk.submit(Resume(), actor("adam"))
    assert "CODE_USED" in await ask(engine, f"/approve R2 {code(engine, 'rosa')}", "rosa")
    assert "Your vote counts" in await ask(engine, f"/approve R2 {code(engine, 'rosa', 1)}", "rosa")
    assert "CODE_WRONG" in await ask(engine, f"/approve R2 {code(engine, 'rolf', 2)}", "rolf")


async def test_guessing_at_once_ends_after_five_also_when_all_come_together() -> None:
    engine = guarded()
    await resume_asked(engine)
    right = code(engine, "rosa")
    guesses = [f"{(int(right) + n) % 1_000_000:06}" for n in range(3, 13)]
    said = await asyncio.gather(*(ask(engine, f"/approve R1 {guess}", "rosa") for guess in [*guesses, right]))
    assert sum("CODE_WRONG" in one for one in said) == 4
    assert sum("LOCKED" in one for one in said) == 7
    engine.play(2)
    assert engine.desk.pending()[0].votes == ()


async def test_who_has_no_authenticator_does_not_vote() -> None:
    engine = guarded()
    await resume_asked(engine)
    await engine.desk.submit(Halt(), actor("tina"))
    await engine.desk.submit(Resume(), actor("rosa"))
    assert "CODE_WRONG" in await ask(engine, "/approve R2 123456", "adam")


async def test_nobody_slips_a_step_in_beside_the_desk() -> None:
    engine = guarded()
    await resume_asked(engine)
    forged = BreakGlass(action="halt", reason="x", step=10**9)
    assert (await engine.desk.submit(forged, actor("vera"))).reason is Reason.CODE_NEEDED


async def test_a_viewer_breaks_the_glass_with_a_code() -> None:
    engine = guarded()
    said = await ask(engine, f"/breakglass halt {code(engine, 'rosa')} the maker is odd", "rosa")
    assert said.startswith("breakglass: done")
    assert engine.trading is TradingState.HALTED
    assert "break-glass by rosa (halt all: the maker is odd)" in await ask(engine, "/pending")
    assert "is reviewed" in await ask(engine, f"/review {engine.desk.status().reviews[0].id} it was right", "rolf")


async def test_on_telegram_a_code_is_taken_in_private_deleted_and_kept_nowhere(tmp_path: Path) -> None:
    engine = guarded()
    await resume_asked(engine)
    async with world(tmp_path, "telegram", engine=engine) as w:
        await until(lambda: w.chat.telegram.health.state == "up")
        right = code(engine, "rosa")
        w.telegram.say(TELEGRAM["rosa"], f"/approve R1 {right}", chat=GROUP)
        assert "in private only" in (await w.telegram.text("approve: refused", chat=GROUP)).text
        w.telegram.say(TELEGRAM["rosa"], f"/approve R1 {right}")
        await w.telegram.text("approve: done", chat=TELEGRAM["rosa"])
        await until(lambda: len(w.telegram.deleted) == 2)
        assert [chat for chat, _ in w.telegram.deleted] == [GROUP, TELEGRAM["rosa"]]
        assert not [one for one in w.telegram.sent if right in one.text]
        assert engine.desk.pending()[0].votes == ("rosa",)
        halves = f"{code(engine, 'rolf')[:3]} {code(engine, 'rolf')[3:]}"
        w.telegram.say(TELEGRAM["rolf"], f"/aprove R1 {halves}")
        await w.telegram.text("did you mean /approve", chat=TELEGRAM["rolf"])
        await until(lambda: len(w.telegram.deleted) == 3)
        w.telegram.say(TELEGRAM["rolf"], f"/approve R1 {halves}")
        await w.telegram.text("approve: done", chat=TELEGRAM["rolf"])
        await until(lambda: len(w.telegram.deleted) == 4)
    with sqlite3.connect(tmp_path / "ops.db") as db:
        kept = [row[0] for row in db.execute("select body from inbox")]
    assert kept
    assert not [body for body in kept if right.encode() in body or halves.encode() in body]
    journal = b"".join([*engine.taken, *map(encode, engine.facts)])
    assert b"approve" in journal
    assert right.encode() not in journal
    assert SECRETS["totp_rosa"].encode() not in journal


async def test_on_discord_a_press_opens_a_window_for_the_code(tmp_path: Path) -> None:
    engine = guarded()
    await resume_asked(engine)
    async with world(tmp_path, "discord", engine=engine) as w:
        card = await w.discord.wait(lambda one: one["components"])
        token = await w.discord.click(DISCORD["rosa"], card, "Approve")
        await w.discord.fill(DISCORD["rosa"], token, "000000")
        assert "CODE_WRONG" in shown(await w.discord.text("approve: refused"))
        token = await w.discord.click(DISCORD["rosa"], card, "Approve")
        await w.discord.fill(DISCORD["rosa"], token, code(engine, "rosa"))
        await w.discord.text("approve: done")
        assert engine.desk.pending()[0].votes == ("rosa",)
        await w.discord.slash(DISCORD["rolf"], "approve", id="R1", code="000000")
        assert (await w.discord.text("CODE_WRONG", count=2))["flags"] & EPHEMERAL
        await w.discord.click(DISCORD["rolf"], card, "Deny")
        await w.discord.text("deny: done")


@pytest.mark.parametrize("door", [Door.DASHBOARD, Door.TERMINAL])
async def test_dashboard_and_terminal_ask_for_the_code_too(door: Door) -> None:
    engine = guarded()
    await resume_asked(engine)
    assert "CODE_NEEDED" in await ask(engine, "/approve R1", "rosa", door)
    assert "Your vote counts" in await ask(engine, f"/approve R1 {code(engine, 'rosa')}", "rosa", door)
