"""What cannot be understood is answered with the nearest right word, the grammar and an example; nothing is done."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import verbs
from bot.parse import UsageError
from bot.render import plain
from bot.verbs import is_urgent, run_line
from bot.votes import limit_value, minutes_of
from domain.facts import TradingState
from tests.bot.world import Engine, actor, fresh_id, sure


@pytest.fixture
def engine():
    return Engine()


async def ask(engine, line, person="rosa"):
    return plain(await run_line(engine.room, actor(person), line, fresh_id()))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/statsu", "did you mean /status"),
        ("/flaten", "did you mean /flatten"),
        ("/strategies strat t1", "did you mean start"),
        ("/zzz", "see /help"),
        ("/order buy BTX 1", "did you mean BTC"),
        ("/order by BTC 1", "did you mean buy"),
        ("/order buy BTC", "QTY is missing"),
        ("/order buy BTC 1,5", "write decimals with a dot"),
        ("/order buy BTC nan", "'nan' is no amount. For example: 0.25, $2k, 25%"),
        ("/trades 0", "whole number from 1 to 500"),
        ("/cancel nothing", "no open order is called"),
        ("/resume everything", "To resume everywhere: /resume all everything"),
        ("/", "Type a verb"),
        ("   ", "Type a verb"),
    ],
)
async def test_what_cannot_be_understood_is_answered_with_the_nearest_word(engine, line, said):
    reply = await ask(engine, line)
    assert said in reply
    assert engine.trading is TradingState.ACTIVE


async def test_wrong_arguments_are_answered_with_the_grammar_and_an_example(engine):
    reply = await ask(engine, "/order buy", "tina")
    assert "SYMBOL is missing" in reply
    assert "Usage: /order buy|sell SYMBOL QTY [PRICE] [VALID] [ACCOUNT]. For example: /order buy BTC 0.5" in reply
    assert "/hold BTC off" in await ask(engine, "/help hold")


@pytest.mark.parametrize("line", ["/halt \ud800", "/halt " + "x" * 100_000, "/order buy BTC 1e999999", "/halt \x00"])
async def test_text_that_could_choke_the_engine_is_cut_to_what_it_can_carry(engine, line):
    reply = await ask(engine, line)
    assert len(reply) < 3000
    assert (await ask(engine, "/halt")).startswith("halt: done")


async def test_a_parameter_larger_than_any_number_is_refused(engine):
    await sure(engine, "/strategies load turtle t1 BTC PAPER:main")
    assert "larger than any parameter" in await ask(engine, f"/strategies set t1 entry_bars={'9' * 30}", "tina")


async def test_a_viewer_is_offered_only_what_a_viewer_may_do(engine):
    overview = await ask(engine, "/help", "vera")
    for hidden in ("/order", "/halt", "/audit", "/logs", "/users", "/keys", "rollback", "unload"):
        assert f"{hidden} " not in overview.replace("|", " ").replace("\n", " "), hidden
    assert "/strategies list|show\n" in overview
    assert "/strategies list|show|start|pause|load|unload|set" in await ask(engine, "/help", "tina")
    assert "/users list|role|link|unlink" in await ask(engine, "/help", "adam")


@pytest.mark.parametrize("person", ["vera", "tina", "rosa", "adam"])
async def test_help_has_a_line_under_a_topic_for_every_verb_that_one_may_use(engine, person):
    overview = await ask(engine, "/help", person)
    lines = overview.splitlines()
    for name in verbs.names_for(engine.desk.person(person)):
        first, _, second = name.partition(" ")
        (line,) = [line for line in lines if line.partition(" ")[0] == f"/{first}"]
        assert not second or second in line.partition(" ")[2].split("|")
    assert "— More —" not in overview, "every verb has a topic"
    assert len(overview) < 4096, "one message on Telegram"
    assert len(lines) < 75


async def test_help_on_what_one_may_not_do_says_only_that(engine):
    told = await ask(engine, "/help order", "vera")
    assert "it needs trader, you are viewer" in told
    assert "SYMBOL" not in told
    assert "for example" in await ask(engine, "/help order", "tina")
    group = await ask(engine, "/help strategies", "vera")
    assert "/strategies show ID" in group
    assert "unload" not in group
    assert "For example: /strategies load" in await ask(engine, "/help strategies", "tina")


async def test_the_nearest_verb_is_one_that_the_person_may_use(engine):
    assert "did you mean /flatten" in await ask(engine, "/flaten", "tina")
    assert "/flatten" not in await ask(engine, "/flaten", "vera")


async def test_a_group_takes_what_its_list_takes_but_not_a_slip(engine):
    assert "Limits in force for BTC-USDC-PERP.PAPER" in await ask(engine, "/limits BTC")
    assert "did you mean show" in await ask(engine, "/limits shwo BTC")
    assert "/strategies turtle1 is not known" in await ask(engine, "/strategies turtle1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/profit", "PNL: "),
        ("/tg_info", "You are Rosa"),
        ("/bots", "No strategies loaded"),
        ("/exchanges", "No venues"),
        ("/show_config risk", "it needs admin"),
        ("/forcelong BTC", "Nothing was done. To buy: /order buy"),
        ("/reload_config", "Nothing was done. One value: /config set"),
        ("/locks", "What keeps trading back: /status"),
    ],
)
async def test_words_of_other_bots_mean_the_same_here_or_say_what_does(engine, line, said):
    before = engine.driver.core.state.seq
    assert said in await ask(engine, line)
    assert engine.driver.core.state.seq == before


async def test_a_halt_by_another_bots_word_is_as_urgent():
    assert is_urgent(["stopentry"])
    assert is_urgent(["fx", "BTC"])
    assert not is_urgent(["forcelong"])
    engine = Engine()
    assert (await ask(engine, "/stopentry", "tina")).startswith("halt: done")
    assert engine.trading is TradingState.HALTED


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_whatever_is_typed_is_answered_and_never_trades(line):
    engine = ENGINE
    asyncio.run(ask(engine, line, "vera"))
    assert engine.trading is TradingState.ACTIVE


ENGINE = Engine()


@pytest.mark.parametrize(
    ("text", "value"),
    [("30000", "30000"), ("$30k", "30000"), ("7.5%", "0.075"), ("3x", "3"), ("0", "0"), ("1.5m", "1500000")],
)
def test_a_limit_is_written_as_people_write_it(text, value):
    assert limit_value(text) == Decimal(value)


@pytest.mark.parametrize("text", ["x", "", "%", "$", "1,5", "1,500", "k", "-5", "ten", "1e9", "٣"])
def test_what_is_no_limit_is_asked_back(text):
    with pytest.raises(UsageError):
        limit_value(text)


def test_an_override_lasts_whole_minutes():
    assert [minutes_of(text) for text in ("30", "30m", "2h", "1.5h", "90 minutes")] == [30, 30, 120, 90, 90]
    for text in ("30s", "1.001h", "1d2", "0m"):
        with pytest.raises(UsageError):
            minutes_of(text)


async def test_an_override_in_natural_words_is_asked_for(engine):
    assert "override: waits for approval" in await ask(engine, "/override position_notional $28k 2h all a basis trade")
    assert "is not MINUTES" in await ask(engine, "/override position_notional $28k soon all a basis trade")
