"""What every reply ends with, in the reader's own zone; and what a wrong line is answered with."""

import re

import pytest

from bot.render import plain
from bot.verbs import run_line
from tests.bot.world import Engine, actor, fresh_id


@pytest.fixture
def engine():
    return Engine()


async def ask(engine, line, person="rosa"):
    return plain(await run_line(engine.room, actor(person), line, fresh_id()))


async def test_a_person_chooses_a_zone_and_every_reply_shows_both_times(engine):
    assert "Your time zone is UTC" in await ask(engine, "/timezone")
    told = await ask(engine, "/timezone tokyo")
    assert "Your time zone is now Asia/Tokyo" in told
    assert "JST" in told
    for line in ("/status", "/nonsense", "/order buy"):
        assert re.search(r" UTC \((\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d JST\) · data ", await ask(engine, line))
    assert "JST" not in await ask(engine, "/status", "tina"), "what one person chooses is theirs"
    assert "did you mean Europe/Berlin" in await ask(engine, "/tz Berlim")
