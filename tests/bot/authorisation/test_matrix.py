"""Who may do what, from where: every verb x every role and a stranger x every door x every kind of update.

Made from the verb table, so that a new verb is in it. What is replaced is each verb's handler, by one that writes down
who reached it; gates, parsing, roles and clients are the real ones, on updates as the channels send them. A few of each
go over real sockets in `test_telegram.py`, `test_discord.py` and `test_pressed_by_strangers.py`.
"""

from __future__ import annotations

import pytest
import telegram
from msgspec.structs import replace

from bot import verbs as table
from bot.buttons import PREVIEW, VOTE, Signer
from bot.call import Verb
from bot.config import TelegramConfig
from bot.console import make_console
from bot.message import Message
from bot.render import plain
from bot.sessions import Ask, Claim, Ignored
from bot.telegram_gate import Gate
from bot.verbs import VERBS, run_line
from domain.commands import Door
from domain.facts import RequestStatus
from domain.settings import RoleName
from tests.bot.authorisation.telegram_updates import BOT_NAME, CONFIG, MESSAGES, PRESSES, Kind
from tests.bot.world import ROLES, STRANGER, TELEGRAM, Engine, actor, fresh_id

PEOPLE = {"vera": TELEGRAM["vera"], "tina": TELEGRAM["tina"], "rosa": TELEGRAM["rosa"], "adam": TELEGRAM["adam"]}
EVERYBODY = PEOPLE | {"mallory": STRANGER}


def line_of(verb: Verb) -> str:
    return verb.examples[0] if verb.examples else f"/{verb.name}"


class Reached:
    """Handlers that write down who reached them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def verb(self, verb: Verb) -> Verb:
        async def handler(call) -> Message:
            self.calls.append((call.verb, call.person.id))
            return Message(title="reached")

        return replace(verb, handler=handler)

    def take(self) -> list[tuple[str, str]]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture(scope="module")
def engine():
    return Engine()


@pytest.fixture
def reached(monkeypatch):
    made = Reached()
    by_name = {name: made.verb(verb) for name, verb in table._BY_NAME.items()}
    monkeypatch.setattr(table, "_BY_NAME", by_name)
    return made


def gate_of(engine, config: TelegramConfig = CONFIG) -> Gate:
    return Gate(engine.desk, config, BOT_NAME, Signer("4242:x"), engine.room.subject)


def read(gate: Gate, kind: Kind, who: int, text: str) -> Ask | Claim | Ignored:
    update = telegram.Update.de_json({"update_id": 1, **kind.make(who, text)}, None)
    assert update is not None
    return gate.read(update)


def may(person: str, verb: Verb) -> bool:
    return person in ROLES and ROLES[person] >= verb.role


async def test_telegram_messages(engine, reached):
    gate, tried, carried = gate_of(engine), 0, 0
    for verb in VERBS:
        line = line_of(verb)
        for person, number in EVERYBODY.items():
            for kind in MESSAGES:
                tried += 1
                found = read(gate, kind, number, line)
                assert isinstance(found, Ask) == (kind.heard and person in PEOPLE), (verb.name, person, kind.name)
                if not isinstance(found, Ask):
                    continue
                assert found.actor.person == found.person.id == person
                await run_line(engine.room, found.actor, found.text.replace(f"@{BOT_NAME}", ""), fresh_id())
                expected = [(verb.name, person)] if may(person, verb) else []
                assert reached.take() == expected, (verb.name, person, kind.name)
                carried += len(expected)
    assert tried == len(VERBS) * len(EVERYBODY) * len(MESSAGES) > 10_000
    heard = sum(kind.heard for kind in MESSAGES)
    assert carried == heard * sum(may(person, verb) for verb in VERBS for person in PEOPLE)


async def test_telegram_buttons_carry_no_verb_but_those_that_were_signed(engine, reached):
    """No data of a button, whoever presses it, reaches a verb: it is a closed request, or nothing at all."""
    gate = gate_of(engine)
    for number_of, verb in enumerate(VERBS):
        data = (line_of(verb), f"ap:{verb.name.replace(' ', '')}:y:{'0' * 24}")[number_of % 2][:64]
        for person, number in EVERYBODY.items():
            for kind in PRESSES:
                found = read(gate, kind, number, data)
                assert isinstance(found, Ask) == (kind.heard and person in PEOPLE), (verb.name, person, kind.name)
                assert not isinstance(found, Ask) or found.text == ""
    assert reached.take() == []


async def test_telegram_signed_buttons_stand_for_their_line_in_the_name_of_who_presses(monkeypatch):
    engine = Engine()
    await run_line(engine.room, actor("tina"), "/order buy BTC 0.15", fresh_id())
    if not engine.desk.pending():
        await run_line(engine.room, actor("tina"), "/confirm C1", fresh_id())
    [request] = engine.desk.pending()
    signer, gate = Signer("4242:x"), gate_of(engine)
    yes, no = signer.buttons(request.id, request.digest, VOTE)
    for person, number in EVERYBODY.items():
        for kind in PRESSES:
            for button, verb in ((yes, "/approve R1 "), (no, "/deny R1")):
                found = read(gate, kind, number, button.data)
                if kind.heard and person in PEOPLE:
                    assert isinstance(found, Ask)
                    assert found.actor.person == person
                    assert found.text.startswith(verb)
                else:
                    assert isinstance(found, Ignored), (person, kind.name)
    for person in ("vera", "tina"):
        found = read(gate, PRESSES[1], PEOPLE[person], yes.data)
        assert isinstance(found, Ask)
        await run_line(engine.room, found.actor, found.text, fresh_id())
        assert engine.desk.pending(), f"{person} may not approve"
    assert engine.driver.core.state.requests["R1"].votes == []
    found = read(gate, PRESSES[1], PEOPLE["rosa"], yes.data)
    assert isinstance(found, Ask)
    await run_line(engine.room, found.actor, found.text, fresh_id())
    assert engine.driver.core.state.requests["R1"].status is not RequestStatus.PENDING


async def test_a_preview_is_answered_by_nobody_else_whatever_their_role():
    engine = Engine(strategies=True)
    for _ in range(60):
        engine.play(10)
        if [order for order in engine.desk.orders() if not order.reduce_only]:
            break
    await run_line(engine.room, actor("tina"), "/cancel all", fresh_id())
    [preview] = engine.room.confirms.previews.open()
    signer, gate = Signer("4242:x"), gate_of(engine)
    yes = signer.button(preview.id, preview.subject.digest, PREVIEW, "y")
    for person in ("vera", "rosa", "rolf", "adam"):
        found = read(gate, PRESSES[1], TELEGRAM[person], yes.data)
        assert isinstance(found, Ask)
        told = plain(await run_line(engine.room, found.actor, found.text, fresh_id()))
        assert "Not yours" in told
    assert engine.done("cancel_orders") == []
    found = read(gate, PRESSES[0], TELEGRAM["tina"], yes.data)
    assert isinstance(found, Ask)
    await run_line(engine.room, found.actor, found.text, fresh_id())
    assert len(engine.done("cancel_orders")) == 1


async def test_dashboard_and_terminal(engine, reached):
    console = make_console(engine.room)
    for verb in VERBS:
        for person in EVERYBODY:
            for door in (Door.DASHBOARD, Door.TERMINAL):
                told = await console(actor(person, door), line_of(verb))
                assert reached.take() == ([(verb.name, person)] if may(person, verb) else [])
                if person not in PEOPLE:
                    assert "UNKNOWN_PERSON" in told
                elif not may(person, verb):
                    assert f"it needs {verb.role.name.lower()}, you are {ROLES[person].name.lower()}" in told


async def test_with_private_chats_shut_only_allowed_places_are_heard(engine):
    gate = gate_of(engine, TelegramConfig(enabled=True, allowed_chats=CONFIG.allowed_chats, private_chats=False))
    assert isinstance(read(gate, MESSAGES[0], PEOPLE["adam"], "/halt"), Ignored)
    assert isinstance(read(gate, PRESSES[0], PEOPLE["adam"], "x"), Ignored)
    assert isinstance(read(gate, MESSAGES[1], PEOPLE["adam"], "/halt"), Ask)


async def test_an_empty_allow_list_is_nobody_in_any_group(engine):
    gate = gate_of(engine, TelegramConfig(enabled=True))
    heard = [kind.name for kind in MESSAGES if isinstance(read(gate, kind, PEOPLE["adam"], "/halt"), Ask)]
    assert heard == ["private"]


async def test_what_a_schedule_sends_is_not_heard_but_for_a_halt(engine):
    gate = gate_of(engine)
    scheduled = Kind(
        "", lambda who, text: {"message": MESSAGES[1].make(who, text)["message"] | {"is_from_offline": True}}
    )
    for verb in VERBS:
        found = read(gate, scheduled, PEOPLE["adam"], line_of(verb))
        assert isinstance(found, Ask) == (verb.name in {"halt", "flatten"}), verb.name


async def test_a_link_code_is_all_that_a_stranger_may_send_and_only_alone_with_the_bot(engine):
    gate = gate_of(engine)
    for kind in MESSAGES:
        found = read(gate, kind, STRANGER, "/link K7QFM2PXWD")
        assert isinstance(found, Claim) == (kind.name == "private"), kind.name
    for verb in VERBS:
        assert isinstance(read(gate, MESSAGES[0], STRANGER, line_of(verb)), Ignored)


async def test_a_role_that_is_taken_away_counts_at_once(engine, reached):
    gate, persons = gate_of(engine), engine.driver.core.persons
    found = read(gate, MESSAGES[1], PEOPLE["tina"], "/halt")
    assert isinstance(found, Ask)
    persons["tina"] = replace(persons["tina"], role=RoleName.VIEWER)
    try:
        await run_line(engine.room, found.actor, found.text, fresh_id())
        assert reached.take() == []
    finally:
        persons["tina"] = replace(persons["tina"], role=RoleName.TRADER)
