"""Unknown fields are counted, and what is not understood is kept."""

import json

from msgspec import Struct
from msgspec import json as wire

from exchanges.shared.payloads import EACH, FILE_BYTES, LOOKED_AT, Payloads


class Inner(Struct, rename="camel"):
    known_name: int


class Message(Struct, tag_field="channel", tag="m"):
    data: list[Inner]


RAW = b'{"channel":"m","extra":1,"data":[{"knownName":1,"hash":"x","new":2},{"knownName":2,"other":3}]}'


def test_fields_that_nobody_knows_are_counted_by_their_path_and_others_are_not():
    payloads = Payloads("HYPERLIQUID", unread={"hash"})
    for _ in range(3):
        payloads.look(RAW, wire.decode(RAW, type=Message))
    assert payloads.unknown == {"Message.extra": 3, "Message.data[].new": 3}


def test_after_the_first_ones_only_some_are_looked_at():
    payloads, message = Payloads("HYPERLIQUID"), wire.decode(RAW, type=Message)
    for _ in range(LOOKED_AT + 10 * EACH):
        payloads.look(RAW, message)
    assert payloads.unknown["Message.extra"] == LOOKED_AT + 10


def test_what_is_not_understood_is_kept_whole_with_the_reason(tmp_path):
    payloads = Payloads("HYPERLIQUID", folder=tmp_path)
    payloads.keep(b'{"half": \xff', "truncated", 7)
    [line] = (tmp_path / "hyperliquid-not-understood.jsonl").read_text().splitlines()
    assert json.loads(line) == {"ts_ns": 7, "why": "truncated", "payload": '{"half": \\xff'}
    assert payloads.not_understood == 1


def test_the_file_does_not_grow_for_ever(tmp_path):
    payloads = Payloads("HYPERLIQUID", folder=tmp_path)
    for _ in range(6):
        payloads.keep("x" * 1_000_000, "large", 0)
    assert (tmp_path / "hyperliquid-not-understood.jsonl").stat().st_size <= FILE_BYTES
    assert payloads.not_understood == 6


def test_a_folder_that_is_gone_costs_the_file_and_nothing_else(tmp_path, caplog):
    payloads = Payloads("HYPERLIQUID", folder=tmp_path / "gone")
    payloads.keep("{}", "empty", 0)
    assert payloads.not_understood == 1
    assert "could not be kept" in caplog.text
