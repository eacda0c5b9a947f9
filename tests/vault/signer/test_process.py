"""A signer is looked after: what people are told when it goes and comes, and what starts one."""

import asyncio
import contextlib
import os
import sys
import time
from typing import Any

import pytest

from domain.errors import ConfigError, VenueError
from tests.vault.signer.room import VENUE, Service, requests, serving
from vault.signer import process as watched
from vault.signer.opening import Late, Opened, Part, open_keys
from vault.signer.process import SEALED, Sealed, SignerProcess
from vault.signer.server import SOCKET, SignerServer


def program(code: int) -> tuple[str, ...]:
    """A signer that ends at once with an exit code."""
    return (sys.executable, "-c", f"raise SystemExit({code})")


async def test_people_hear_that_it_is_gone_back_and_what_it_has_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(watched, "WATCH_S", 0.01)
    told: list[tuple[str, str]] = []
    changes: list[int] = []
    async with serving(tmp_path) as (server, _):
        process = SignerProcess(tmp_path, program(SEALED))
        process.client.timeout_s = 0.2
        keeping = asyncio.create_task(process.keep(lambda *news: told.append(news), lambda: changes.append(1)))

        async def hear(count: int) -> tuple[str, str]:
            async with asyncio.timeout(20):
                while len(told) < count:  # noqa: ASYNC110 - it is told, not asked
                    await asyncio.sleep(0.01)
            return told[count - 1]

        await asyncio.sleep(0.1)
        assert told == []
        with contextlib.suppress(VenueError):
            await process.client.sign(VENUE, requests(1, action="order"))
        assert (await hear(1))[0] == "refused"
        await server.aclose()
        what, words = await hear(2)
        assert (what, words.split(" (")[0]) == ("lost", f"The signer does not answer at {tmp_path / SOCKET}")
        await asyncio.sleep(0.1)
        assert len(told) == 2, "said once"
        other = SignerServer(tmp_path / SOCKET, server.signers, server.secrets)
        await other.start()
        assert await hear(3) == ("back", "The signer answers again.")
        async with asyncio.timeout(20):  # another signer may have other keys
            while not changes:  # noqa: ASYNC110 - it is told, not asked
                await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await asyncio.to_thread(process.stop)
        await process.client.aclose()
        await other.aclose()


async def test_a_name_that_is_not_there_keeps_no_loop_waiting_and_is_known_when_it_has_come(tmp_path, monkeypatch):
    monkeypatch.setattr(watched, "WATCH_S", 0.01)
    monkeypatch.setattr(watched, "READ_AGAIN_S", 0.02)
    async with serving(tmp_path) as (server, _):
        process = SignerProcess(tmp_path, program(SEALED))
        client = process.client
        client.timeout_s = 30.0
        keeping = asyncio.create_task(process.keep(lambda *_: None, lambda: None))
        await asyncio.sleep(0)
        began = time.monotonic()  # the server is on this very loop: a question that blocks is never answered
        assert not client.has("totp_rosa")
        assert time.monotonic() - began < client.timeout_s
        assert isinstance(server.secrets, Service)
        server.secrets.values["totp_rosa"] = "made-up-secret"
        async with asyncio.timeout(10):
            while not client.has("totp_rosa"):  # noqa: ASYNC110 - it is told, not asked
                await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await client.aclose()


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [(SEALED, Sealed, r"is sealed, so nothing is traded.*\./moondev signer"), (1, ConfigError, r"exit code 1")],
)
def test_a_signer_that_does_not_start_says_why(tmp_path, code, error, words):
    with pytest.raises(error, match=words):
        SignerProcess(tmp_path, program(code)).ensure(interactive=False)


async def test_a_signer_that_answers_is_used_and_one_that_a_person_started_is_left_running(tmp_path, monkeypatch):
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _number: killed.append(pid))
    for is_spawned in (False, True):
        async with serving(tmp_path, is_spawned=is_spawned):
            process = SignerProcess(tmp_path, program(1))
            client = await asyncio.to_thread(process.ensure, interactive=False)
            assert list(client.signers) == [VENUE]
            process.stop()
        assert killed == ([os.getpid()] if is_spawned else [])


PART = Part({"passphrase_from": "auto"}, lambda _keys: {}, lambda _venue: ("", ""))


def test_where_there_is_no_vault_the_plain_file_is_the_source_and_there_is_no_signer(tmp_path):
    opened = open_keys(tmp_path, PART, program(1), is_live=True)
    assert opened.signers is None
    assert not opened.secrets.has("anything")


@pytest.mark.parametrize(
    ("signer", "is_live"), [("auto", True), ("process", False), ("in_process", True), ("auto", False)]
)
def test_live_signs_in_a_process_of_its_own_unless_told_otherwise(vault, signer, is_live):
    """The vault here opens for nobody, so what was tried is seen by how it failed."""
    part = Part({"signer": signer, "passphrase_from": "prompt"}, PART.open_signers, PART.make_key)
    is_apart = signer == "process" or (signer == "auto" and is_live)
    with pytest.raises(ConfigError) as failed:
        open_keys(vault.path.parent, part, program(1), is_live=is_live)
    assert ("did not start" in str(failed.value)) is is_apart
    assert isinstance(failed.value, Sealed) is not is_apart


def test_keys_are_opened_when_they_are_needed_and_a_failure_is_not_repeated():
    tries: list[int] = []

    def opener() -> Opened:
        tries.append(1)
        raise ConfigError("sealed")

    late = Late(opener)
    assert not tries
    for ask in (lambda: late.secrets, lambda: late.signers, lambda: late.secrets):
        with pytest.raises(ConfigError, match="sealed"):
            _: Any = ask()
    assert len(tries) == 1
