"""One encoding of everything: every kind of event, fact and command survives it, and equal things have equal bytes."""

from __future__ import annotations

from decimal import Decimal
from types import UnionType
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from domain import commands, events, facts, order
from domain.codec import decode_desired, decode_event, decode_fact, decode_settings, digest, encode, to_json
from domain.desired import Desired, Hedge, Protection, Qty, Quote, Strength, Style, Take, Target
from domain.edits import Edit
from domain.instrument import Instrument
from domain.settings import Settings, StrategySpec

TEXT = st.text(max_size=12)
WHOLE = st.integers(-(2**63), 2**63 - 1)
MONEY = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)


def members(union: Any) -> list[type]:
    """The structs of a union, nested unions included."""
    found: list[type] = []
    for part in get_args(union) if isinstance(union, UnionType) or get_args(union) else (union,):
        found += members(part) if get_args(part) else [part]
    return found


EVENTS, FACTS, COMMANDS, INTENTS = map(members, (events.Event, facts.Fact, commands.Command, order.Intent))


st.register_type_strategy(str, TEXT)
st.register_type_strategy(int, WHOLE)
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(Decimal, MONEY)
st.register_type_strategy(
    Instrument,
    st.builds(
        Instrument,
        id=st.just("BTC-USDC-PERP.PAPER"),
        price_decimals=st.integers(0, 12),
        qty_decimals=st.integers(0, 12),
        tick=st.integers(1, 1000),
        lot=st.integers(1, 1000),
    ),
)
LEAF = st.one_of(st.none(), st.booleans(), WHOLE, TEXT, st.floats(allow_nan=False))
VALUE = st.recursive(LEAF, lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXT, inner)), max_leaves=5)
st.register_type_strategy(
    Edit, st.builds(Edit, path=st.lists(TEXT, min_size=1).map(tuple), before=VALUE, after=VALUE, is_new=st.booleans())
)
st.register_type_strategy(
    commands.ParamRule, st.builds(commands.ParamRule, default=st.sampled_from([None, 1, 2.5, "take", True]))
)
st.register_type_strategy(StrategySpec, st.builds(StrategySpec, params=st.just({"qty": 1.5, "style": "take"})))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_event_survives_the_journal(kind: type, data: st.DataObject) -> None:
    event = data.draw(generous(kind))
    again = decode_event(encode(event))
    assert type(again) is kind
    assert again == event
    assert encode(again) == encode(event)


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_fact_survives(kind: type, data: st.DataObject) -> None:
    fact = data.draw(generous(kind))
    assert decode_fact(encode(fact)) == fact
    assert to_json(fact)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_command_survives_inside_its_event(kind: type, data: st.DataObject) -> None:
    command = data.draw(generous(kind))
    actor = commands.Actor(person="ann", door=commands.Door.TELEGRAM)
    event = events.CommandReceived(actor=actor, command=command, request_id="r")
    again = decode_event(encode(event))
    assert isinstance(again, events.CommandReceived)
    assert again.command == command


@pytest.mark.parametrize("kind", INTENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_intent_has_bytes_that_tell_it_from_all_others(kind: type, data: st.DataObject) -> None:
    intent = data.draw(generous(kind))
    assert msgspec.msgpack.decode(encode(intent), type=order.Intent) == intent


def generous(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a struct; parts that are large themselves stay at their defaults."""
    chosen: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(kind):
        if field.type is Settings or field.type == Settings | None:
            chosen[field.name] = st.just(Settings())
        elif field.name in {"command", "params", "before", "after"}:
            chosen[field.name] = st.just(commands.Halt(reason="x") if field.name == "command" else {"a": 1, "b": "x"})
        else:
            chosen[field.name] = st.from_type(field.type)
    return st.builds(kind, **chosen)


WISHES = Desired(
    targets=(
        Target(instrument="A", want=Qty(1.5), entry="e", band=0.1, style=Style.PASSIVE),
        Target(instrument="B", want=Strength(-0.5, 3.0)),
        Target(instrument="C", want=Hedge("A", 2.0, 0.5)),
    ),
    quotes=(Quote(instrument="A", side=-1, price=2.5, qty=3.5, level=4),),
    protections=(Protection(instrument="A", entry="e", stop=1.0, take_profit=9.0),),
    takes=(Take(instrument="A", id="t", side=1, qty=1.0, limit=2.0, expires_ns=3, reduce_only=True),),
)


def test_wishes_survive() -> None:
    assert decode_desired(encode(WISHES)) == WISHES


@pytest.mark.parametrize(
    "raw", [{"targets": [{"instrument": 3}]}, {"quotes": "none"}, [], {"takes": [{"instrument": "A", "id": "x"}]}]
)
def test_what_is_no_wish_is_refused(raw: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_desired(msgspec.msgpack.encode(raw))


def test_settings_survive_with_their_numbers_as_they_were_written() -> None:
    whole = Settings()
    assert decode_settings(encode(whole)) == whole
    assert digest(decode_settings(encode(whole))) == digest(whole)


def test_equal_things_have_equal_bytes_whatever_the_order_of_their_keys() -> None:
    assert encode({"b": 1, "a": 2}) == encode({"a": 2, "b": 1})
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_decimals_keep_their_last_digit() -> None:
    assert msgspec.msgpack.decode(encode(Decimal("1.10"))) == "1.10"


def test_an_unknown_kind_of_event_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_event(msgspec.msgpack.encode(["not_an_event", 1, 2]))


def test_an_event_of_an_older_build_that_lacks_new_fields_is_read() -> None:
    """New fields go to the end and have defaults."""
    whole = msgspec.msgpack.decode(encode(events.Amended(cid="c", price=1, qty=2, amend_no=3)))
    again = decode_event(msgspec.msgpack.encode(whole[:-2]))
    assert isinstance(again, events.Amended)
    assert (again.price, again.qty, again.amend_no) == (1, 2, 0)


def test_every_event_can_be_stamped() -> None:
    for kind in EVENTS:
        names = [field.name for field in fields(kind)]
        assert names[:2] == ["seq", "ts_ns"], kind


def test_tags_are_unique() -> None:
    for union in (EVENTS, FACTS, COMMANDS, INTENTS):
        tags = [kind.__struct_config__.tag for kind in union]  # type: ignore[attr-defined]
        assert len(set(tags)) == len(tags)
