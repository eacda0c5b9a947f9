"""Text messages against a server of Twilio's shape."""

import pytest
from msgspec import structs

from bot.carrier import ChannelRefused, NotSent, OutcomeUnknown, RefusedForGood, RetryAfter, dated
from bot.channels.sms import SmsCarrier
from bot.config import SmsConfig
from bot.message import Message, Text
from domain.facts import Severity
from tests.bot.channels.test_email import letter
from tests.bot.servers.sms import ACCOUNT, TOKEN, SmsFault, SmsServer

TINA = "sms:+15555550100"
FROM = "+15555550199"
HALT = Message(title="Trading is HALTED", blocks=(Text("By tina"),), severity=Severity.CRITICAL, stamp="LIVE · x")


@pytest.fixture
async def server():
    made = SmsServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def carrier(server):
    made = SmsCarrier.open(SmsConfig(api_url=server.url, account=ACCOUNT, sender=FROM), TOKEN)
    yield made
    await made.aclose()


def sms(event="fact:7:1", **changes):
    return structs.replace(letter(HALT, event, TINA), **changes)


async def test_a_text_message_says_where_how_bad_what_and_its_reference(server, carrier):
    sid = await carrier.deliver(sms(), "")
    (message,) = server.messages
    assert message["sid"] == sid
    assert (message["to"], message["from"]) == ("+15555550100", FROM)
    assert message["body"] == "LIVE CRITICAL: Trading is HALTED. By tina ref fact:7:1"


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (SmsFault(429, 20429, retry_after="7"), RetryAfter, "7 s"),
        (SmsFault(503, retry_after="2"), RetryAfter, "2 s"),
        (SmsFault(429), RetryAfter, "5 s"),
        (SmsFault(400, 21211), RefusedForGood, "21211 refused"),
        (SmsFault(500, body="<html>oops"), OutcomeUnknown, "500"),
        (SmsFault(307), RefusedForGood, "not followed"),
    ],
)
async def test_what_the_server_says_decides_whether_it_is_tried_again(server, carrier, fault, error, words):
    server.faults.append(fault)
    with pytest.raises(error, match=words) as raised:
        await carrier.deliver(sms(), "")
    assert type(raised.value) is error


async def test_a_message_that_had_arrived_is_not_paid_for_twice(server, carrier):
    server.faults.append(SmsFault(swallow=True))
    with pytest.raises(OutcomeUnknown):
        await carrier.deliver(sms(), "")
    again = dated(sms(unsure=True, created_ns=1))
    assert again.parcel.text.startswith("(late, 00:00Z, again) LIVE")
    assert len(again.parcel.text) <= 160
    assert await carrier.deliver(again, "") == server.messages[0]["sid"]
    assert len(server.messages) == 1
    await carrier.deliver(dated(sms("fact:8:1", unsure=True)), "")
    assert server.messages[1]["body"].startswith("(again) LIVE"), "another one has not arrived, and says it may have"


async def test_a_wrong_token_is_the_channels_fault_and_stands_in_no_error(server):
    wrong = SmsCarrier.open(SmsConfig(api_url=server.url, account=ACCOUNT, sender=FROM), "wrong-canary")
    for call in (wrong.deliver(sms(), ""), wrong.probe(TINA)):
        with pytest.raises(ChannelRefused, match="20003 Authenticate") as raised:
            await call
        assert "wrong-canary" not in str(raised.value)
    await wrong.aclose()


async def test_a_probe_asks_for_the_account_and_sends_nothing(server, carrier):
    await carrier.probe(TINA)
    server.account_status = "suspended"
    with pytest.raises(ChannelRefused, match="suspended"):
        await carrier.probe(TINA)
    assert server.messages == []


async def test_nobody_listening_is_surely_not_sent(server, carrier):
    await server.stop()
    with pytest.raises(NotSent):
        await carrier.deliver(sms(), "")
