"""What pages read in full, as the gateway hands it on: JSON, amounts as text, mistakes in words."""

import json
from typing import Any

import pytest

from domain.commands import Actor, Door, Halt, SetParams
from gateway.desk_source import DeskSource
from gateway.source import BadArgument, NotKnown
from tests.gateway.engine import Engine

TINA = Actor(person="tina", door=Door.DASHBOARD)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(past_s=30)


@pytest.fixture
def source(engine: Engine) -> DeskSource:
    return DeskSource(engine.desk, engine.remote)


async def read(source: DeskSource, name: str, **arguments: str) -> Any:
    return json.loads(await source.view(name, arguments))


async def test_limits_are_text_and_agree_with_what_chat_says(source: DeskSource, engine: Engine):
    rows = {row["rule"]: row for row in await read(source, "limits")}
    for rule, said in engine.desk.settings.limits():
        value = rows[rule]["value"]
        wide = [one for one in rows[rule]["sets"] if one["scope"] == "portfolio"]
        assert said.startswith("not set" if not wide else wide[0]["value"]), rule
        assert value is None or isinstance(value, str)


async def test_a_strategy_shows_its_parameters_and_their_history(source: DeskSource, engine: Engine):
    await engine.desk.submit(SetParams(strategy="maker-btc", params={"pause_s": 61.0}), TINA)
    found = await read(source, "strategy", id="maker-btc")
    pause = next(param for param in found["params"] if param["name"] == "pause_s")
    assert (pause["value"], pause["default"], pause["adds_risk"]) == (61.0, 60.0, "lowered")
    newest = (await read(source, "strategy-history", id="maker-btc", limit="1"))["items"][0]
    assert (newest["by"], newest["after"]["pause_s"]) == ("tina", 61.0)
    with pytest.raises(NotKnown):
        await source.view("strategy", {"id": "nobody"})


async def test_the_audit_is_searched_and_turned_by_pages(source: DeskSource, engine: Engine):
    for number in range(3):
        await engine.desk.submit(Halt(reason=f"drill {number}"), TINA)
    first = await read(source, "audit", limit="2", verb="halt", person="tina")
    assert [row["verb"] for row in first["items"]] == ["halt", "halt"]
    rest = await read(source, "audit", limit="2", verb="halt", cursor=first["next"])
    assert (len(rest["items"]), rest["next"]) == (1, "")
    assert (await read(source, "audit", text="no such words"))["items"] == []
    assert "before" in (await read(source, "audit", since_ns="5", until_ns="4"))["problem"]
    for wrong in ({"cursor": "x"}, {"outcome": "maybe"}, {"who": "tina"}):
        with pytest.raises(BadArgument):
            await source.view("audit", wrong)


async def test_what_nobody_tells_here_is_said_and_nothing_is_made_up(source: DeskSource):
    assert "no journal" in (await read(source, "audit-entry", seq="5"))["problem"]
    assert await read(source, "audit-head") is None
    assert await read(source, "machine") is None


async def test_every_setting_is_there_with_its_source(source: DeskSource):
    rows = await read(source, "settings")
    assert {row["source"] for row in rows} <= {"default", "file", "version 1"}
    assert any(row["path"] == "risk.max_exposure" and row["value"] for row in rows)
