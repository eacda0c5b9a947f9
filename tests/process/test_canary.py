"""No secret is anywhere but in the sealed vault: the whole service runs, fails and dies, and everything is searched.

Searched are the data folder (databases, their write-ahead logs, journal, logs), what was printed, what people got in
chat, what the gateway answers, the command lines and environments of all its processes, and core dumps.
"""

import asyncio
import base64
import json
import os
import re
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.bot.servers import telegram_server
from tests.bot.servers.smtp import MailServer
from tests.bot.servers.telegram_server import TelegramServer
from tests.bot.world import GROUP, TELEGRAM
from tests.needs import ROOT
from tests.process.test_signer import WORDS, VaultProgram, free_port, wait
from vault.passphrase import Passphrase
from vault.store import Vault

MAIL_PASSWORD = "mail-canary-8d1c77 ä+/"


class Watched(VaultProgram):
    """The program, sealed with canaries, in processes of their own: engine, signer and gateway."""

    def __init__(self, folder: Path, telegram: TelegramServer, mail: MailServer) -> None:
        super().__init__(folder)
        self.forked = False
        self.key_file = folder / "passphrase"
        self.key_file.write_text(WORDS)
        self.key_file.chmod(0o600)
        with Vault.open(self.data / "vault", Passphrase(WORDS)) as vault:
            vault.put("telegram_token", "service", telegram_server.TOKEN)
            vault.put("email_password", "service", MAIL_PASSWORD)
            self.secrets = {"passphrase": WORDS, "telegram": telegram_server.TOKEN, "mail": MAIL_PASSWORD}
            for record in vault.records():
                if record.kind == "exchange":
                    with vault.reveal(record.name) as value:
                        self.secrets[record.name] = bytes(value).decode()
        url = telegram.base_url
        self.settings |= {
            "gateway": {"port": free_port(), "process": "own"},
            "persons": [
                {"id": "tina", "name": "Tina", "role": "admin", "telegram_user_id": TELEGRAM["tina"]},
                {"id": "rosa", "name": "Rosa", "role": "risk"},
                {"id": "vera", "name": "Vera", "role": "risk"},
            ],
            "telegram": {
                "enabled": True, "base_url": url, "base_file_url": url,
                "allowed_chats": [GROUP], "alert_chats": [GROUP],
            },
            "email": {
                "enabled": True, "server": "127.0.0.1", "port": mail.port, "tls": "none", "user": "u",
                "sender": "a@b.example",
            },
            "contacts": [{"person": "tina", "email": "tina@example.com"}],
        }  # fmt: skip
        self.say(signer="process", passphrase={"from": "file", "file": str(self.key_file)})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['gateway']['port']}"

    def processes(self) -> dict[str, int]:
        """Process numbers by what they are."""
        assert self.process is not None
        found = {"engine": self.process.pid}
        for pid in children(self.process.pid):
            known = {"signer", "gateway"} & set(command_line(pid))
            found[known.pop() if known else f"child {pid}"] = pid
        return found


def children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from children(child)


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def read(file: Path) -> bytes:
    """What a process of this user can read of another's: nothing, where it is closed to him."""
    try:
        return file.read_bytes()
    except PermissionError:
        return b""


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may look to whoever finds it."""
    yield secret.encode()
    yield secret.encode("utf-16-le")
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    for shift in range(3):  # wherever in a longer text its base64 begins
        yield base64.b64encode(bytes(shift) + secret.encode())[4:-4]
    if re.fullmatch(r"0x[0-9a-f]{64}", secret):
        yield secret[2:].encode()
        yield secret[2:].upper().encode()
        yield bytes.fromhex(secret[2:])


def found_in(where: str, content: bytes, secrets: dict[str, str]) -> list[str]:
    return [f"{name} in {where}" for name, secret in secrets.items() if any(form in content for form in forms(secret))]


def test_the_hunt_finds_a_secret_in_every_disguise():
    key = "0x" + "5e1f0a77" * 8
    for hidden in (key.encode(), bytes.fromhex(key[2:]), base64.b64encode(b"xy" + key.encode() + b"z")):
        assert found_in("here", b"..." + hidden + b"...", {"key": key}) == ["key in here"]
    assert found_in("here", b"...", {"key": key}) == []


def said_by_gateway(program: Watched) -> bytes:
    """Everything that a person can read there, and the metrics."""
    link = program.run_verb("login", "--as", "tina").stdout
    with httpx.Client(base_url=program.url, headers={"Origin": program.url, "X-MoonDev": "tests"}) as client:
        path = re.search(r"http://[^/]+(/login/\S+)", link)
        assert path is not None, link
        page = client.get(path[1])
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        assert client.post("/login", data=fields).status_code == 303
        parts = [client.get(one) for one in ("/metrics", "/health/ready", "/api/v1/openapi.json")]
        views = ("status", "settings", "health", "audit", "venues", "alerts", "persons", "verbs")
        parts += [client.get(f"/api/v1/{view}") for view in views]
        assert [one.status_code for one in parts[3:]] == [200] * len(views), [str(one) for one in parts]
    return b"".join(one.content + str(one.headers).encode() for one in parts)


def files(folder: Path, but: Path) -> dict[str, bytes]:
    there = (file for file in sorted(folder.rglob("*")) if file.is_file() and file != but)
    return {str(file.relative_to(folder)): file.read_bytes() for file in there}


def chatted(telegram: TelegramServer) -> bytes:
    return "\n".join(f"{one.text} {one.file_text}" for one in telegram.sent).encode()


async def alive(program: Watched, telegram: TelegramServer, mail: MailServer) -> dict[str, bytes]:
    """Trade, talk, and let everything that can fail quote what it was given; what was said where."""
    ask = asyncio.to_thread
    await ask(program.ready, 90)
    telegram.say(TELEGRAM["tina"], "/status")
    await telegram.text("Status: ", chat=TELEGRAM["tina"], within_s=60)
    for line in (
        "/keys status",
        "/config get",
        "/doctor",
        f"/{telegram_server.TOKEN}",
        "/logs 500",
        "/health",
        "/audit",
    ):
        telegram.say(TELEGRAM["tina"], line)
    await telegram.wait(lambda one: bool(one.file_text), 60)
    program_said = await ask(program.until, "/orders", "BTC buy", 60)
    return {
        "the console": program_said.encode(),
        "the gateway": await ask(said_by_gateway, program),
        "chat": chatted(telegram),
        "doctor": (await ask(program.run_verb, "doctor")).stdout.encode(),
    }


@pytest.mark.process
@pytest.mark.timeout(240)
async def test_no_secret_is_anywhere_but_in_the_vault(tmp_path: Path) -> None:
    telegram, mail = TelegramServer(), MailServer()
    await telegram.start()
    await mail.start()
    mail.answers["MAIL"] = [f"550 5.7.8 {MAIL_PASSWORD} is wrong"]
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    program = await asyncio.to_thread(Watched, tmp_path, telegram, mail)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # what is started now could dump its memory
    try:
        await asyncio.to_thread(program.start)
        places = await alive(program, telegram, mail)
        processes = program.processes()
        assert {"engine", "signer", "gateway"} <= processes.keys()
        for name, pid in processes.items():
            places[f"the command line of {name}"] = " ".join(command_line(pid)).encode()
            places[f"the environment of {name}"] = read(Path(f"/proc/{pid}/environ"))
            assert re.search(rb"Max core file size\s+0 ", read(Path(f"/proc/{pid}/limits"))), (
                f"{name} could dump its memory"
            )
        for name in ("engine", "gateway", "signer"):
            os.kill(processes[name], signal.SIGABRT)
        await asyncio.to_thread(wait, lambda: all(map(is_over, processes.values())))
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        if program.process is not None:
            program.kill()
        program.venues.stop()
        await telegram.stop()
        await mail.stop()
    assert not list(ROOT.glob("core*"))
    places |= files(tmp_path, program.key_file)
    hits = [hit for where, content in places.items() for hit in found_in(where, content, program.secrets)]
    assert hits == []
    names = " ".join(places)
    for part in ("ops.db", "access.db", "journal", "vault", ".log"):
        assert part in names, f"{part} was not searched"
