"""What a message becomes where there are no buttons, and where there are 160 characters."""

from hypothesis import given
from hypothesis import strategies as st

from bot.channels.dialects import SMS_LIMIT, SMS_RESERVE, email, gsm, hook, sms, sms_length
from bot.message import Button, Message, Table, Text
from domain.facts import Severity

texts = st.text(max_size=400)


@given(texts, texts, texts, st.sampled_from(Severity))
def test_any_message_is_one_text_message(title, text, event, severity):
    message = Message(title=title, blocks=(Text(text),), severity=severity, stamp=f"LIVE · ref {event}")
    (parcel,) = sms(message)
    assert sms_length(parcel.text) <= SMS_LIMIT - SMS_RESERVE
    assert "\n" not in parcel.text


@given(texts, texts)
def test_any_title_is_one_line(title, text):
    message = Message(title=title, blocks=(Text(text),))
    for parcel in (*email(message), *hook(message)):
        assert not set(parcel.title) & set("\r\n\0")


def test_the_end_of_a_long_text_is_cut_and_never_its_reference():
    (parcel,) = sms(Message(title="Loss", blocks=(Text("very " * 99),), stamp="PAPER · market · ref fact:7:1"))
    assert parcel.text.startswith("PAPER Loss. very very")
    assert parcel.text.endswith("... ref fact:7:1")
    (parcel,) = sms(Message(title="Loss", stamp="PAPER · ref request:R1:0123456789abcdef"))
    assert len(parcel.text.rpartition("ref ")[2]) == 8, "a long reference as its digest"


def test_letters_that_a_telephone_lacks_become_ones_that_it_has():
    assert gsm("🚨 Zürich – “ś” → 日本") == 'Zürich - "s" -> ??'  # noqa: RUF001
    table = Message(title="Fills", blocks=(Table(("a", "b"), (("1", "2"),)),), severity=Severity.WARNING)
    assert sms(table)[0].text == "warning: Fills. 1 2"


def test_buttons_are_left_out_of_a_mail():
    card = Message(title="Approve?", buttons=(Button("Approve", "ap:R1:y:signature"),))
    (parcel,) = email(card)
    assert parcel.buttons == ()
    assert "signature" not in parcel.text
