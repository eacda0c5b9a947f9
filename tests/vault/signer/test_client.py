"""The engine's side of the signer: batches, order, and a signer that dies, hangs or lies."""

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from domain.errors import ConfigError, VenueError
from domain.events import Accepted, SendFailed
from tests.exchanges.hyperliquid.desk import trading
from tests.vault.signer.room import VENUE, Echo, Process, Service, agents, lying, requests, serving
from vault.errors import VaultError
from vault.service import FolderSecrets
from vault.signer import wire
from vault.signer.client import SignerClient, SignerGone


async def test_what_it_signs_is_what_the_venues_signer_signs(tmp_path):
    async with serving(tmp_path) as (_, client):
        theirs = await agents()[VENUE].sign(requests(3))
        assert await client.sign(VENUE, requests(3)) == theirs
        assert await client.sign(VENUE, []) == []


async def test_signatures_come_in_order_and_questions_of_one_turn_leave_together(tmp_path):
    echo = Echo()
    async with serving(tmp_path, {VENUE: echo}) as (_, client):
        asked = [client.sign(VENUE, requests(1, b"%d" % number)) for number in range(50)]
        assert await asyncio.gather(*asked) == [[b"%d" % number] for number in range(50)]
        many = requests(2 * wire.MAX_REQUESTS + 5, b"x" * 1_000)
        assert len(await client.sign(VENUE, many)) == len(many)
        assert echo.batches[-3:] == [256, 256, 5]


async def test_what_no_message_carries_is_refused_here(tmp_path):
    async with serving(tmp_path) as (_, client):
        for odd in (requests(1, b"x" * (wire.MAX_PAYLOAD + 1)), requests(1, key="k" * 200)):
            with pytest.raises(VenueError, match="the signer cannot be asked"):
                await client.sign(VENUE, odd)


async def test_without_a_signer_it_is_said_at_once_and_what_to_do(tmp_path):
    client = SignerClient(tmp_path)
    with pytest.raises(SignerGone, match=r"nothing was signed or sent.*\./moondev signer --data"):
        await client.sign(VENUE, requests(1))
    with pytest.raises(SignerGone):
        client.connect()


async def test_a_signer_that_hangs_costs_its_timeout_once(tmp_path):
    echo = Echo()
    async with serving(tmp_path, {VENUE: echo}) as (_, client):
        client.timeout_s = 0.05
        await client.report()
        echo.gate.clear()
        waiting = [asyncio.create_task(client.sign(VENUE, requests(1))) for _ in range(3)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, SignerGone) for result in results)
        client.timeout_s = 1_000.0
        async with asyncio.timeout(30):  # a halt does not queue behind it
            with pytest.raises(SignerGone, match="a moment ago"):
                await client.sign(VENUE, requests(1))
        client.timeout_s = 30.0
        echo.gate.set()
        client._not_before = 0
        assert len(await client.sign(VENUE, requests(1))) == 1


async def test_one_answer_that_never_comes_is_not_hidden_by_others(tmp_path):
    def lie(asked: wire.Question) -> bytes:
        return polite(asked) or (wire.framed(wire.Report(asked.number)) if isinstance(asked, wire.Ask) else b"")

    async with lying(tmp_path, lie) as client:
        lost = asyncio.create_task(client.sign(VENUE, requests(1)))
        while not lost.done():
            with contextlib.suppress(SignerGone):
                await client.report()
            await asyncio.sleep(0.01)
        with pytest.raises(SignerGone, match="no answer within"):
            await lost


def polite(asked: wire.Question, version: int = wire.VERSION) -> bytes:
    """A good first answer, and nothing else."""
    return wire.framed(wire.Welcome(version, 1, [VENUE], [])) if isinstance(asked, wire.Hello) else b""


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lambda asked: b"\xff\xff\xff\xff", "nonsense"),
        (lambda asked: wire.framed(wire.Report(0)), "nonsense"),
        (lambda asked: b"\x00\x00\x00\x02\xc1\xc1", "nonsense"),
        (lambda asked: polite(asked, 9), "of version 9, this side of 1"),
        (lambda asked: polite(asked) or wire.framed(wire.Signed(asked.number, [b"1", b"2"])), "nonsense"),
        (lambda asked: polite(asked) or wire.framed(wire.Value(asked.number, "x")), "nonsense"),
    ],
)
async def test_a_signer_that_lies_is_not_believed(tmp_path, lie, said):
    async with lying(tmp_path, lie) as client:
        with pytest.raises((VenueError, ConfigError), match=said):
            await client.sign(VENUE, requests(1))


async def test_secrets_are_read_at_the_handshake_and_told_before_anybody_has_them(tmp_path):
    told: list[str] = []
    async with serving(tmp_path) as (server, client):
        client.register = told.append
        welcome = await asyncio.to_thread(client.connect)
        assert (welcome.venues, welcome.secrets, told) == ([VENUE], ["telegram_token"], ["12345678:made-up"])
        assert client.get("telegram_token") == told[0]
        assert client.has("telegram_token")
        assert isinstance(server.secrets, Service)
        server.secrets.values["discord_token"] = "a later one"
        assert await asyncio.to_thread(client.get, "discord_token") == "a later one"
        more: list[str] = []
        client.tell(more.append)
        assert sorted(more) == ["12345678:made-up", "a later one"]
        for name in ("agent", "nope"):
            with pytest.raises(ConfigError, match=f"secret '{name}' is missing: `./moondev vault add {name}"):
                await asyncio.to_thread(client.get, name)
    assert client.get("telegram_token"), "what was read stays when the signer is gone"
    assert not client.has("nope")
    assert "made-up" not in repr(client) + repr(wire.Value(1, "made-up"))


def test_a_killed_signer_is_an_error_and_the_next_one_is_found(tmp_path: Path) -> None:
    process = Process(tmp_path)

    async def trade() -> None:
        client = SignerClient(tmp_path, timeout_s=0.3)
        assert len(await client.sign(VENUE, requests(2))) == 2
        process.child.send_signal(signal.SIGSTOP)
        with pytest.raises(SignerGone, match="no answer within"):
            await client.sign(VENUE, requests(1))
        process.end()
        client._not_before = 0
        with pytest.raises(SignerGone):
            await client.sign(VENUE, requests(1))
        async with serving(tmp_path):
            assert len(await client.sign(VENUE, requests(1))) == 1
        await client.aclose()

    asyncio.run(trade())


async def test_a_client_outlives_its_loop(tmp_path):
    """Verbs of the command line run one loop after the other."""

    async def elsewhere(client: SignerClient) -> list[bytes]:
        signatures = await client.sign(VENUE, requests(1))
        await client.aclose()
        return signatures

    async with serving(tmp_path) as (_, client):
        await client.report()
        other = await asyncio.to_thread(asyncio.run, elsewhere(client))
        assert other == await client.sign(VENUE, requests(1))


async def test_an_order_whose_signature_never_came_was_not_sent(tmp_path):
    async with serving(tmp_path) as (server, client):
        await asyncio.to_thread(client.connect)
        async with trading(signer=client.signers[VENUE]) as (venue, desk):
            first = desk.place(1, "49000")
            desk.send(first)
            await desk.hears(Accepted, first.cid)
            await server.aclose()
            lost = desk.place(1, "48000")
            desk.send(lost)
            failed = await desk.hears(SendFailed, lost.cid)
            assert "nothing was signed or sent" in failed.text
            assert len(venue.room.recs) == 1
            await server.start()
            again = desk.place(1, "48000")
            desk.send(again)
            await desk.hears(Accepted, again.cid)


async def test_a_verb_that_only_reads_secrets_asks_the_signer_and_nobody_types(tmp_path, vault):
    data = vault.path.parent
    told: list[str] = []
    secrets = FolderSecrets(data, lambda _: {}, told.append, interactive=False)
    async with serving(data):
        assert await asyncio.to_thread(secrets.get, "telegram_token") == "12345678:made-up"
        assert (secrets.names(), told) == (["telegram_token"], ["12345678:made-up"])
    with pytest.raises(VaultError, match="is sealed"):
        FolderSecrets(data, lambda _: {}, told.append, interactive=False).get("telegram_token")
