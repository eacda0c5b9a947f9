"""Kills a process at each call by which it changes a vault on the disk, and says what was found afterwards.

`python -m tests.vault.kills FOLDER` prints one JSON object: how many kills each change met, and what went wrong.
Processes are forked from a small one, so that hundreds of deaths take a second.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vault.conftest import BOUNDS, CHEAP, passphrase
from vault import backup
from vault.errors import VaultError
from vault.store import Vault

CALLS = ("open", "write", "fsync", "replace", "unlink", "ftruncate")
"""Those that change the disk; `open` where it makes a file."""
OTHER = "seven windows kiosk marble otter"
DEAD = 42
State = dict[str, str]


def put(path: Path) -> None:
    with Vault.open(path, passphrase(), bounds=BOUNDS) as vault:
        vault.put("telegram_token", "service", "new-value")


def remove(path: Path) -> None:
    with Vault.open(path, passphrase(), bounds=BOUNDS) as vault:
        vault.remove("telegram_token")


def passwd(path: Path) -> None:
    with Vault.open(path, passphrase(), bounds=BOUNDS) as vault:
        vault.change_passphrase(passphrase(), passphrase(OTHER), cost=CHEAP)


def rotate(path: Path) -> None:
    with Vault.open(path, passphrase(), bounds=BOUNDS) as vault:
        vault.rotate_master(passphrase())


def restore(path: Path) -> None:
    backup.restore(path.with_name("kept"), path, passphrase(), accept_older=True, bounds=BOUNDS)


def create(path: Path) -> None:
    Vault.create(path, passphrase(), cost=CHEAP, bounds=BOUNDS).close()


OLD = {"binance_key": "a-key", "telegram_token": "old-value"}
KEPT = {"binance_key": "a-key"}
CHANGES: dict[str, tuple[Callable[[Path], None], list[State | None]]] = {
    "put": (put, [OLD, OLD | {"telegram_token": "new-value"}]),
    "remove": (remove, [OLD, KEPT]),
    "passwd": (passwd, [OLD]),
    "rotate": (rotate, [OLD]),
    "restore": (restore, [OLD, KEPT]),
    "create": (create, [None, {}]),
}


def state(path: Path) -> State | None:
    """What is in the vault, by whichever passphrase; None where there is none. Raises `VaultError`."""
    if not path.exists():
        return None
    for text in (None, OTHER):
        try:
            with Vault.open(path, passphrase(text) if text else passphrase(), bounds=BOUNDS) as vault:
                found = {}
                for record in vault.records():
                    with vault.reveal(record.name) as value:
                        found[record.name] = value.decode()
                return found
        except VaultError as error:
            last = error
    raise last


def die_at(number: int) -> None:
    """Let this process end at a system call: the first half of a write is done, nothing of any other."""
    left = number

    def deadly(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal left
            if name == "open" and not given[1] & os.O_CREAT:
                return real(*given, **named)
            left -= 1
            if left:
                return real(*given, **named)
            if name == "write":
                real(given[0], bytes(given[1])[: len(given[1]) // 2])
            os._exit(DEAD)

        return call

    for name in CALLS:
        setattr(os, name, deadly(name, getattr(os, name)))


def killed(change: Callable[[Path], None], path: Path, number: int) -> bool:
    """Make a change in a process that is killed at its call `number`; False when it was through before."""
    child = os.fork()
    if not child:
        try:
            die_at(number)
            change(path)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DEAD


def goes_on(path: Path) -> State | None:
    """What another process makes of what was left: it writes, and nothing is lost."""
    before = state(path)
    if before is None:
        create(path)
        return state(path)
    for text in (None, OTHER):
        try:
            with Vault.open(path, passphrase(text) if text else passphrase(), bounds=BOUNDS) as vault:
                vault.put("after", "service", "x")
        except VaultError:
            continue
        return before if state(path) == before | {"after": "x"} else None
    return None


def trial(name: str, base: Path, folder: Path) -> tuple[int, list[str]]:
    """Kill one kind of change at each of its calls."""
    change, allowed = CHANGES[name]
    wrong: list[str] = []
    number = 0
    while True:
        number += 1
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder)
        path = folder / "vault"
        if name == "create":
            for one in folder.glob("vault*"):
                one.unlink()
        if not killed(change, path, number):
            return number - 1, wrong
        try:
            found = state(path)
            if found not in allowed:
                wrong.append(f"{name} killed at call {number}: {found}")
            elif goes_on(path) != (found if found is not None else {}):
                wrong.append(f"{name} killed at call {number}: the next write does not go on")
        except VaultError as error:
            wrong.append(f"{name} killed at call {number}: {error}")


def main(folder: Path) -> None:
    os.fsync = lambda fd: None  # a killed process loses nothing that it has written: no need to wait for the disk
    base = folder / "base"
    base.mkdir()
    with Vault.create(base / "vault", passphrase(), cost=CHEAP, bounds=BOUNDS) as vault:
        vault.put("binance_key", "exchange", "a-key")
        backup.export(vault, base / "kept", bounds=BOUNDS)
        vault.put("telegram_token", "service", "old-value")
    report = {name: trial(name, base, folder / "trial") for name in CHANGES}
    json.dump({name: {"kills": kills, "wrong": wrong} for name, (kills, wrong) in report.items()}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
