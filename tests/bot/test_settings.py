"""The settings by chat: read, changed, refused in words, taken back."""

from __future__ import annotations

import uuid

import pytest

from bot.parse import UsageError
from bot.render import plain
from bot.settings import value_and_rest
from bot.verbs import run_line
from domain.commands import ChangeSettings, SetParams
from domain.verdict import Reason
from tests.bot.world import Engine, actor


@pytest.fixture
def engine():
    return Engine()


async def ask(engine: Engine, line: str, person: str = "adam") -> str:
    return plain(await run_line(engine.room, actor(person), line, uuid.uuid4().hex))


async def test_what_lowers_risk_is_shown_first_and_done_when_it_is_confirmed(engine):
    shown = await ask(engine, "/config set risk.max_exposure 40000")
    assert "not done yet" in shown
    assert "risk.max_exposure: 50000 -> 40000" in shown
    assert "/config set risk.max_exposure 40000 confirm" in shown
    assert "50000" in await ask(engine, "/config get risk.max_exposure")
    done = await ask(engine, "/config set risk.max_exposure 40000 confirm it storms")
    assert "version 1" in done
    assert "40000" in await ask(engine, "/config get risk.max_exposure")
    history = await ask(engine, "/config history")
    assert "adam" in history
    assert "it storms" in history


async def test_what_adds_risk_asks_others_and_a_rollback_is_a_change_like_any_other(engine):
    asked = await ask(engine, "/config set risk.max_exposure 60000 we are rich")
    assert "waits for" in asked
    [request] = engine.desk.pending()
    assert "50000 -> 60000 (we are rich)" in request.text
    for person in ("rolf", "rosa"):
        await ask(engine, f"/approve {request.id}", person)
    assert "60000" in await ask(engine, "/config get risk.max_exposure")
    shown = await ask(engine, "/config rollback 0")
    assert "risk.max_exposure: 60000 -> 50000" in shown
    assert "It lowers risk and is done when you confirm it." in shown
    assert "60000" in await ask(engine, "/config get risk.max_exposure"), "nothing is done before the yes"
    assert "version 2" in await ask(engine, "/confirm C1")
    assert "It was carried out once" in await ask(engine, "/confirm C1")
    assert "1: risk.max_exposure: 50000 -> 60000" in await ask(engine, "/config diff 0")


async def test_a_way_back_that_adds_risk_is_confirmed_and_then_waits_for_others(engine):
    await ask(engine, "/config set risk.max_exposure 40000 confirm calm")
    shown = await ask(engine, "/config rollback 0 the storm is over")
    assert "risk.max_exposure: 40000 -> 50000" in shown
    assert "it waits until 2 others agree" in shown
    assert not engine.desk.pending(), "nobody is bothered before the yes"
    assert "waits for approval" in await ask(engine, "/confirm C1")
    [request] = engine.desk.pending()
    assert "the storm is over" in request.text


async def test_a_way_back_that_became_another_one_is_shown_again(engine):
    await ask(engine, "/config set risk.max_exposure 40000 confirm")
    await ask(engine, "/config rollback 0")
    await ask(engine, "/limits set portfolio max_exposure 30000 confirm", "rosa")
    again = await ask(engine, "/confirm C1")
    assert "Not sent: the settings have changed meanwhile." in again
    assert "risk.max_exposure: 30000 -> 50000" in again
    assert "30000" in await ask(engine, "/config get risk.max_exposure")
    assert not engine.desk.pending()
    assert "C1 is replaced by a newer one" in await ask(engine, "/confirm C1")
    assert "waits for approval" in await ask(engine, "/confirm C2")


async def test_a_version_that_cannot_be_had_back_is_refused_without_a_question(engine):
    assert "Refused: version 7; now is 0, and these can be had back: none." in await ask(engine, "/config rollback 7")
    assert not engine.room.confirms.previews.open()


async def test_every_mistake_is_told_at_once_and_who_is_no_admin_reads_limits_only(engine):
    said = await ask(engine, "/config set risk.limits.BTC {max_position_notional: -1, max_order_notional: x}")
    assert "expected a number above 0" in said
    assert said.count("expected a number above 0") == 2
    for line in ("set risk.max_exposure 1", "get risk", "history", "diff 0", "rollback 0"):
        assert "it needs admin, you are risk" in await ask(engine, f"/config {line}", "rosa")
    assert "in force for the portfolio" in await ask(engine, "/limits", "vera")
    assert "did you mean risk?" in await ask(engine, "/config get risc")


async def test_people_and_strategies_change_by_the_same_verb(engine):
    await ask(engine, "/config set persons.uma {role: viewer, name: Uma}")
    [request] = engine.desk.pending()
    for person in ("rolf", "rosa"):
        await ask(engine, f"/approve {request.id}", person)
    assert engine.desk.person("uma").name == "Uma"
    assert "viewer" in await ask(engine, "/config get persons.uma.role")


async def test_limits_are_set_for_the_portfolio_and_for_an_instrument(engine):
    said = await ask(engine, "/limits set BTC max_order_notional 1000")
    assert "max_position_notional: is required and missing" in said
    assert "not done yet" in await ask(engine, "/limits set portfolio max_exposure 30000")
    assert "done" in await ask(engine, "/limits set portfolio max_exposure 30000 confirm")
    assert "10000 USD" in await ask(engine, "/limits show BTC")
    assert "done" in await ask(engine, "/limits set BTC order_notional 1000 confirm calm")
    assert "1000 USD" in await ask(engine, "/limits show BTC")
    assert "10000 USD" in await ask(engine, "/limits show ETH")
    assert "waits for" in await ask(engine, "/limits set BTC order_notional 2000 busy")
    assert "waits for" in await ask(engine, "/limits set portfolio daily_loss 9%")
    assert "there is no strategy 'maker'" in await ask(engine, "/limits set strategy:maker strategy_drawdown 5%")
    assert "above portfolio_drawdown" in await ask(engine, "/limits set portfolio daily_loss 60%")
    assert "no scope" in await ask(engine, "/limits set nowhere max_exposure 1")


async def test_without_a_path_the_version_and_the_sections_are_named(engine):
    said = await ask(engine, "/config")
    assert "paper" in said
    assert "risk" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 because", ("5", "because")),
        ("{a: {b: 1}} why not", ("{a: {b: 1}}", "why not")),
        ("[1, 2] x", ("[1, 2]", "x")),
        ('"two words" x', ('"two words"', "x")),
        ("none", ("none", "")),
    ],
)
def test_a_value_is_a_word_or_what_stands_in_brackets_or_quotes(text, expected):
    assert value_and_rest(text) == expected


def test_an_open_bracket_is_a_mistake():
    with pytest.raises(UsageError):
        value_and_rest("{a: 1")


async def test_a_number_that_no_record_can_hold_stops_nobody(engine):
    assert "is not VERSION" in await ask(engine, f"/config rollback {10**24}")
    for command in (ChangeSettings(rollback=10**24), SetParams(strategy="turtle-eth", params={"qty": 10**24})):
        done = await engine.desk.submit(command, actor("vera"))
        assert done.reason is Reason.BAD_VALUE
    assert "40000" in await ask(engine, "/config set risk.max_exposure 40000")


@pytest.mark.parametrize("value", ["١٢٠٠٠", "1.2e4", "1_2000", "nan", "Infinity", "%"])
async def test_a_value_of_an_override_is_written_as_everybody_reads_it(engine, value):
    said = await ask(engine, f"/override order_notional {value} 10 portfolio because")
    assert "is no number" in said
    assert "The order is /override RULE VALUE MINUTES SCOPE REASON" in said
