"""A key is exchanged when two others agree; people are reminded of keys that are old or end, once each."""

from __future__ import annotations

import pytest

from domain.commands import Approve, RotateKey
from domain.facts import Alerted, CommandDone, Severity
from domain.keys import KeyExpires, KeyOld, KeyStage, KeyStep
from domain.settings import DAY_NS
from domain.verdict import Reason
from engine.core.state import decode_state, encode_state
from tests.engine.core.rig import ACCOUNT, ASKING, Rig

KEY = "hl_agent"
WISH = RotateKey(key=KEY, account=ACCOUNT, by_program=True, reason="it may have leaked")


def told(rig: Rig, kind: str) -> list[Alerted]:
    return [fact for fact in rig.told(Alerted) if fact.kind == kind]


def turn(rig: Rig) -> KeyStage:
    return rig.core.state.keys.turns[KEY].stage


def vote(rig: Rig, person: str) -> CommandDone:
    return rig.command(Approve(request="R1"), person)


def agreed() -> Rig:
    rig = Rig(ASKING).start()
    done = rig.command(WISH, "ann")
    assert done.request == "R1"
    assert "it may have leaked" in done.text
    assert KEY not in rig.core.state.keys.turns
    assert "needs 1 more" in vote(rig, "bob").text
    assert "R1" in vote(rig, "cem").text
    return rig


def test_two_others_agree_and_then_it_begins() -> None:
    rig = agreed()
    assert turn(rig) is KeyStage.ASKED
    assert rig.core.state.keys.turns[KEY].by == "ann and bob and cem"


@pytest.mark.parametrize("person", ["dot", "bob"])
def test_only_an_admin_asks(person: str) -> None:
    assert Rig(ASKING).start().command(WISH, person).reason is Reason.ROLE


def test_where_no_program_may_do_it_people_are_told_each_step() -> None:
    rig = Rig(ASKING).start()
    rig.command(RotateKey(key=KEY, account=ACCOUNT), "ann")
    vote(rig, "bob")
    said = vote(rig, "cem").text
    for words in ("make a new key", "without withdrawals", f"./moondev vault rotate-key {KEY}", "delete the old key"):
        assert words in said


def test_it_is_not_asked_for_while_it_is_under_way_and_again_when_it_has_failed() -> None:
    rig = agreed()
    rig.ingest(KeyStep(key=KEY, stage=KeyStage.STAGED, text="The new key is in the vault."))
    assert rig.command(WISH, "ann").reason is Reason.WRONG_STATE
    rig.ingest(KeyStep(key=KEY, stage=KeyStage.FAILED, text="The vault has no owner."))
    assert rig.core.state.keys.turns[KEY].by == ""
    assert told(rig, "key_turn")[-1].severity is Severity.WARNING
    assert rig.command(WISH, "ann").request == "R2"


def test_a_step_is_told_once_and_a_snapshot_keeps_it() -> None:
    rig = agreed()
    for _ in range(2):
        rig.ingest(KeyStep(key=KEY, stage=KeyStage.SWITCHED, text="From now on the new key signs."))
    assert len(told(rig, "key_turn")) == 2
    assert decode_state(encode_state(rig.core.state)).keys == rig.core.state.keys


def test_an_account_that_is_not_there_has_no_key() -> None:
    done = Rig(ASKING).start().command(RotateKey(key=KEY, account="PAPER:nobody"), "ann")
    assert done.reason is Reason.NO_SUCH


def test_a_key_that_ends_is_spoken_of_at_fourteen_three_and_one_days() -> None:
    rig = Rig(ASKING).start()
    until_ns = rig.core.state.ts_ns + 20 * DAY_NS
    for left_days in (20, 14, 13, 5, 3, 2, 1, 0):
        rig.now_ns = until_ns - left_days * DAY_NS
        for _ in range(2):
            rig.ingest(KeyExpires(account=ACCOUNT, until_ns=until_ns, text=f"{left_days} days left"))
    assert [fact.text[:2] for fact in told(rig, "key_expires")] == ["14", "3 ", "1 "]
    assert told(rig, "key_expires")[-1].severity is Severity.CRITICAL
    rig.ingest(KeyExpires(account=ACCOUNT, until_ns=until_ns + 10 * DAY_NS, text="another key"))
    assert told(rig, "key_expires")[-1].text == "another key"


def test_an_old_key_is_spoken_of_once_and_the_next_one_anew() -> None:
    rig = Rig(ASKING).start()
    for since_ns in (5, 5, 6):
        rig.ingest(KeyOld(key=KEY, since_ns=since_ns, text="It is 91 days old."))
    assert len(told(rig, "key_old")) == 2
