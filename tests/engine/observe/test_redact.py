"""What may be secret is removed from text, however it is written."""

import base64
import json
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.observe.redact import MARK, Redactor, redact_records

BOT = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
DISCORD = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"
KEY = "0x" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"POST https://api.telegram.org/bot{BOT}/getMe 200", BOT),
        (f"token is {BOT}.", BOT),
        (f"Authorization: Bot {DISCORD}", DISCORD),
        (f"signing with {KEY}", KEY),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnop"),
        ("GET /x?token=s3cr3tvalue&y=1", "s3cr3tvalue"),
        ('{"api_key": "s3cr3tvalue", "b": 1}', "s3cr3tvalue"),
        ("password='s3cr3tvalue'", "s3cr3tvalue"),
        ("postgresql://user:s3cr3tvalue@host/db", "s3cr3tvalue"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s5c0Zo3k2mm1", "eyJzdWIiOiIxMjM0In0"),
    ],
)
def test_what_looks_like_a_token_is_removed_without_being_registered(text, secret):
    clean = Redactor().clean(text)
    assert secret not in clean
    assert MARK in clean
    assert Redactor().clean(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "order 3f9a1c filled 0.01 BTC at 60000.5",
        "the state hash is " + "ab" * 32,
        "the secret 'telegram_token' is missing: add the line",
        "2026-01-01T00:00:00.123456Z BTC-USDC-PERP.PAPER 12:30:45",
        "http://127.0.0.1:8420/login",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert Redactor().clean(text) == text


@given(st.text(min_size=8, max_size=30), st.text(max_size=20))
def test_a_registered_secret_is_gone_in_every_form(secret, around):
    redactor = Redactor()
    redactor.add(secret)
    forms = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]]
    forms.append(base64.b64encode(secret.encode()).decode())
    for form in forms:
        clean = redactor.clean(f"{around} {form} {around}")
        assert form not in clean.replace(around, "")


def test_nested_values_and_objects_are_cleaned():
    redactor = Redactor()
    redactor.add("hunter2hunter2")

    class Thing:
        def __str__(self) -> str:
            return "thing of hunter2hunter2"

    value = {"a": ["hunter2hunter2", 5, None, 2.5, True], "hunter2hunter2": Thing(), "t": ("x",)}
    clean = redactor.clean_value(value)
    assert "hunter2" not in json.dumps(clean)
    assert clean["a"][1:] == [5, None, 2.5, True]


def test_short_values_are_not_registered_because_they_would_blank_ordinary_words():
    redactor = Redactor()
    redactor.add("BTC")
    assert redactor.clean("BTC") == "BTC"


def test_records_are_clean_for_handlers_that_are_not_ours(caplog):
    redactor = Redactor()
    redactor.add("hunter2hunter2")
    undo = redact_records(redactor)
    try:
        log = logging.getLogger("somebody.else")
        log.warning("a %s b %d %s", "hunter2hunter2", 5, Exception("hunter2hunter2"))
        log.warning("%(k)s", {"k": "hunter2hunter2"})
        log.warning("plain hunter2hunter2")
    finally:
        undo()
    assert "hunter2" not in caplog.text
    assert f"a {MARK} b 5 {MARK}" in caplog.text
    logging.getLogger("somebody.else").warning("after hunter2hunter2")
    assert "after hunter2hunter2" in caplog.text
