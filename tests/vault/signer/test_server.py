"""The signer's door: who is let in, what is answered, and what ends a connection."""

import asyncio
import os
import random
import stat
import subprocess
import sys

import pytest

from domain.errors import ConfigError, VenueError
from tests.vault.signer.room import NOOP, VENUE, Echo, Service, leave, requests, serving, talk
from vault.signer import server as served
from vault.signer import wire
from vault.signer.client import SignerClient
from vault.signer.server import SOCKET, SignerServer

HELLO = wire.framed(wire.Hello())


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


async def test_only_this_user_reaches_the_socket(tmp_path):
    async with serving(tmp_path) as (_, client):
        assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600
        assert [type(answer) for answer in await talk(tmp_path, HELLO)] == [wire.Welcome]
        assert (await client.report()).strangers == 0
    assert not (tmp_path / SOCKET).exists(), "a clean end leaves nothing behind"


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
async def test_a_process_of_another_user_is_sent_away_and_told_of(tmp_path):
    """As root made the socket; its mode would keep others out, so it is opened for them here."""
    tmp_path.chmod(0o755)
    async with serving(tmp_path) as (_, client):
        (tmp_path / SOCKET).chmod(0o666)
        knock = (
            "import os, socket, sys; os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534);\n"
            "s = socket.socket(socket.AF_UNIX); s.connect('signer.sock');\n"
            "try: s.sendall(bytes.fromhex(sys.argv[2])); print(len(s.recv(100)))\n"
            "except ConnectionError: print(0)"
        )
        command = [sys.executable, "-c", knock, str(tmp_path), HELLO.hex()]
        said = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        report = await client.report()
        assert said.stdout.strip() == "0", said.stderr
        assert report.strangers == 1
        assert "of user 65534 was not let in" in report.last


async def test_a_client_asks_nothing_of_another_users_signer(tmp_path):
    async with serving(tmp_path):
        client = SignerClient(tmp_path, uid=os.geteuid() + 1)
        with pytest.raises(ConfigError, match="Find out who made it"):
            await client.sign(VENUE, requests(1))
        with pytest.raises(ConfigError, match="Find out who made it"):
            await asyncio.to_thread(client.connect)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff" + b"x" * 100,
        (wire.MAX_FRAME + 1).to_bytes(4, "big"),
        framed(b"\xc1"),
        framed(b"\x93\xa4sign\x01"),
        framed(b"\x91" * 5_000),
        wire.framed(wire.Sign(1, VENUE, [])),
        wire.framed(wire.Ask(1)),
        HELLO + HELLO,
        HELLO + framed(wire._encoder.encode(["sign", 1, VENUE, [["k", "a", b""]] * (wire.MAX_REQUESTS + 1)])),
        HELLO + framed(wire._encoder.encode(["sign", 1, VENUE, [["k", "a", b"x" * (wire.MAX_PAYLOAD + 1)]]])),
        HELLO + framed(wire._encoder.encode(["sign", -1, VENUE, []])),
        HELLO + framed(wire._encoder.encode(["withdraw", 1])),
        HELLO + framed(wire._encoder.encode(["reveal", 1, "n" * 200])),
    ],
)
async def test_what_is_no_message_ends_its_connection_and_no_other(tmp_path, sent):
    async with serving(tmp_path) as (server, client):
        assert len(await client.sign(VENUE, requests(1))) == 1
        answers = await talk(tmp_path, *([HELLO, sent.removeprefix(HELLO)] if sent.startswith(HELLO) else [sent]))
        assert [type(answer) for answer in answers] in ([], [wire.Welcome])
        assert len(await client.sign(VENUE, requests(1))) == 1
        assert len(server.connections) == 1


async def test_noise_is_survived(tmp_path):
    noise = random.Random(6)
    async with serving(tmp_path) as (server, client):
        for _ in range(60):
            body = bytearray(wire._encoder.encode(["sign", 1, VENUE, [["agent", "noop", NOOP]]]))
            for _ in range(noise.randrange(1, 6)):
                body[noise.randrange(len(body))] = noise.randrange(256)
            _, writer = await asyncio.open_unix_connection(tmp_path / SOCKET)
            writer.write(HELLO + framed(bytes(body)) + noise.randbytes(noise.randrange(50)))
            await leave(writer)
        assert len(await client.sign(VENUE, requests(1))) == 1
        assert "error of the signer's own" not in server.counts.last


async def test_a_peer_that_says_nothing_or_half_a_message_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(served, "PATIENCE_S", 0.02)
    async with serving(tmp_path):
        assert await talk(tmp_path, b"") == []
        assert [type(a) for a in await talk(tmp_path, HELLO, b"\x00\x00\x00\x09abc")] == [wire.Welcome]


async def test_a_peer_may_be_silent_between_its_messages(tmp_path):
    async with serving(tmp_path) as (server, client):
        await client.report()
        [connection] = server.connections
        assert connection._timer is None, "nothing ends it"
    async with serving(tmp_path) as (server, _):
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET)
        writer.write(HELLO)
        await reader.readexactly(4)
        [connection] = server.connections
        assert connection._timer is None, "nothing ends it after its first message either"
        await leave(writer)


async def test_a_peer_that_takes_no_answers_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(served, "PATIENCE_S", 0.05)
    monkeypatch.setattr(served, "MOST_WAITING", 1_000)
    async with serving(tmp_path, {VENUE: Echo()}) as (server, _):
        _, writer = await asyncio.open_unix_connection(tmp_path / SOCKET, limit=1_000)
        writer.write(HELLO)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        many = wire.framed(wire.Sign(1, VENUE, [("k", "a", b"x" * 64)] * wire.MAX_REQUESTS))
        async with asyncio.timeout(10):
            while server.connections or not writer.transport.is_closing():
                writer.write(many)
                await asyncio.sleep(0.001)
                if not server.connections:
                    break
        await leave(writer)


async def test_more_connections_than_there_can_be_are_sent_away(tmp_path, monkeypatch):
    monkeypatch.setattr(served, "MOST_CONNECTIONS", 1)
    async with serving(tmp_path) as (_, client):
        await client.report()
        assert await talk(tmp_path, HELLO) == []
        await client.report()


async def test_two_signers_do_not_serve_one_folder(tmp_path):
    async with serving(tmp_path) as (server, _):
        with pytest.raises(ConfigError, match="another signer serves"):
            await SignerServer(server.path, {}, server.secrets).start()
        server.path.unlink()
        server.path.touch()
    assert (tmp_path / SOCKET).exists(), "what is not its own is left"


async def test_a_socket_that_a_killed_signer_left_is_replaced(tmp_path):
    async with serving(tmp_path) as (server, _):
        stale = tmp_path / "stale"
        os.link(server.path, stale)
    stale.rename(tmp_path / SOCKET)
    async with serving(tmp_path) as (_, client):
        await client.report()


async def test_a_path_that_is_too_long_is_said(tmp_path):
    with pytest.raises(ConfigError, match="use a shorter --data"):
        await SignerServer(tmp_path / ("x" * 200) / SOCKET, {}, Service()).start()


async def test_refusals_are_counted_and_say_what_was_wrong(tmp_path):
    async with serving(tmp_path) as (_, client):
        for wanted, said in [
            (requests(1, action="order"), "refuses 'noop', asked for as 'order'"),
            (requests(1, key="other"), "no key 'other'"),
        ]:
            with pytest.raises(VenueError, match=said):
                await client.sign(VENUE, wanted)
        with pytest.raises(VenueError, match="no keys for 'BINANCE'; it has HYPERLIQUID"):
            await client.sign("BINANCE", requests(1))
        report = await client.report()
        assert (report.signed, report.refused) == (0, 3)


async def test_an_error_inside_shows_nothing_of_the_request(tmp_path, caplog):
    class Broken:
        async def sign(self, requests):
            raise ZeroDivisionError(requests[0].payload)

    async with serving(tmp_path, {VENUE: Broken()}) as (_, client):
        with pytest.raises(VenueError, match="an error of the signer's own: ZeroDivisionError") as error:
            await client.sign(VENUE, requests(1, b"payload-canary"))
        assert "canary" not in str(error.value) + caplog.text
