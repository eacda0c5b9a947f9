"""A command with a number that nobody means is refused: it is journaled first, so it must never stop the engine."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain import commands as c
from domain.codec import encode
from domain.verdict import Reason
from tests.engine.core.rig import ACCOUNT, BTC, WIDE, Rig

ABSURD = [
    Decimal(text)
    for text in ("NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "1e999999", "-1e999999", "1e-999999", "1" + "0" * 400)
]
DECIMALS = (
    st.sampled_from([*ABSURD, Decimal("0e999999"), Decimal("-0"), Decimal("1." + "0" * 40 + "1")]) | st.decimals()
)
TEXTS = st.sampled_from(["", "script", ACCOUNT, BTC.id, "R1", "\0"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)
COMMANDS = st.one_of(
    st.builds(c.Halt, reason=TEXTS),
    st.builds(c.Resume, reason=TEXTS),
    st.builds(c.Flatten, scope=TEXTS, reason=TEXTS),
    st.builds(c.Approve, request=TEXTS),
    st.builds(c.Deny, request=TEXTS, reason=TEXTS),
    st.builds(c.UnloadStrategy, strategy=TEXTS),
    st.builds(c.StartStrategy, strategy=TEXTS),
    st.builds(c.ReloadStrategy, strategy=TEXTS, source_hash=TEXTS),
    st.builds(c.PauseStrategy, strategy=TEXTS),
    st.builds(c.SetParams, strategy=TEXTS, params=st.dictionaries(TEXTS, TEXTS | st.integers(-(2**63), 2**63))),
    st.builds(c.ManualTarget, account=TEXTS, instrument=TEXTS, qty=DECIMALS),
    st.builds(c.ManualTarget, account=st.just(ACCOUNT), instrument=st.just(BTC.id), qty=DECIMALS),
    st.builds(c.CancelOrder, cid=TEXTS),
    st.builds(c.SetHold, account=TEXTS, instrument=TEXTS, on=st.booleans()),
    st.builds(c.SetCap, account=st.just(ACCOUNT), instrument=st.just(BTC.id), qty=st.none() | DECIMALS),
    st.builds(
        c.Override,
        rule=st.sampled_from(["order_notional", "leverage", "open_positions"]) | TEXTS,
        scope=st.sampled_from(["portfolio", "venue:PAPER"]) | TEXTS,
        value=DECIMALS,
        minutes=st.integers(-(2**63), 2**63 - 1),
        reason=TEXTS,
    ),
    st.builds(c.BreakGlass, action=TEXTS, reason=TEXTS, scope=TEXTS, step=st.integers(-(2**63), 2**63 - 1)),
    st.builds(c.RaiseEnvelope, strategy=st.sampled_from(["script", "other"]), notional=DECIMALS),
)


@pytest.mark.parametrize(
    "number", ABSURD, ids=lambda number: f"{number:.9}"[:20] if number.is_finite() else str(number)
)
def test_an_absurd_number_is_refused_by_every_command_that_takes_one(number: Decimal) -> None:
    rig = Rig(WIDE).start()
    rig.touch()
    for command in (
        c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=number),
        c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=number),
        c.RaiseEnvelope(strategy="script", notional=number),
    ):
        if isinstance(command, c.RaiseEnvelope) and number.is_finite() and number == Decimal("1e-999999"):
            continue
        answer = rig.command(command, "bob")
        assert not answer.ok, command
        assert answer.reason in {Reason.BAD_VALUE, Reason.NOT_OWNER}, answer.text  # the script owns it
        encode(answer)


@given(st.lists(COMMANDS, max_size=6))
@example([c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal("1e999999"))])
def test_no_command_whatever_its_numbers_and_texts_stops_the_engine(commands: list[c.Command]) -> None:
    rig = Rig(WIDE).start()
    for command in commands:
        encode(rig.command(command, "bob"))
        rig.touch()
