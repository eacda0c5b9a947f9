"""The terminal of `moondev vault`: passphrases, values and yes or no, without showing what is secret."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import suppress
from pathlib import Path

import typer

from vault import files
from vault.config import VaultConfig
from vault.crypto import KEY_BYTES
from vault.errors import VaultError
from vault.format import LONGEST_VALUE
from vault.passphrase import Passphrase, generate, weakness
from vault.secrets import SHORTEST
from vault.unlock import ask, find_passphrase

TTY = Path("/dev/tty")
TRIES = 3


def has_terminal() -> bool:
    """Whether somebody can be asked, even where input and output are files."""
    with suppress(OSError):
        os.close(os.open(TTY, os.O_RDWR | os.O_NOCTTY))
        return True
    return False


def new_passphrase(
    what: str, generate_to: Path | None, config: VaultConfig | None = None, path: Path | None = None
) -> tuple[Passphrase, str]:
    """A new passphrase for `what`, and a sentence on where it is. Raises `VaultError`.

    Made and written into a new file; else typed, or made and shown, at the terminal; else that of the settings' source.
    """
    if generate_to is not None:
        made = generate()
        write_new(generate_to, bytes(made.bytes) + b"\n", "the passphrase's file")
        return made, f" The passphrase is in {generate_to} and nowhere else: keep a copy elsewhere."
    if not has_terminal():
        found = find_passphrase(config, path, interactive=False) if config is not None and path is not None else None
        if found is None:
            raise VaultError(
                "nobody is here to type a passphrase: let --generate-to FILE make one, or set vault.passphrase"
            )
        return found, f" It opens with the passphrase from {found.source}."
    for _ in range(TRIES):
        text = getpass.getpass(f"New passphrase of {what} (five words or more; empty: one is made): ")
        passphrase = Passphrase(text) if text.strip() else _shown(generate())
        if problem := weakness(passphrase):
            _say(f"Not taken: {problem}.")
        elif ask("The same again: ").bytes == passphrase.bytes:
            return passphrase, ""
        else:
            _say("That was not the same.")
    raise VaultError("no new passphrase was settled; nothing has changed")


def make_key_file(path: Path) -> str:
    """Make a key file of random bytes where there is none; a sentence on what it is."""
    if path.exists():
        return f" It needs {path} too."
    write_new(path, os.urandom(KEY_BYTES), "the key file")
    return f" It needs the new key file {path} too: name it as vault.key_file, and keep a copy of it, apart."


def write_new(path: Path, content: bytes, what: str) -> None:
    """Write a file that is not there yet, for this user alone. Raises `VaultError`."""
    if path.is_symlink() or path.exists():
        raise VaultError(f"{what} {path} is there already; name one that is not")
    files.put_down(path, content)


def value_of(name: str, file: Path | None, *, stdin: bool) -> bytearray:
    """A secret's value: from a private file, from standard input (an end of line at its end is dropped), or typed.

    Raises `VaultError` for one that is too short to be a secret: it could not be kept out of logs either.
    """
    if file is not None:
        raw = files.read_private(file, "the value's file", LONGEST_VALUE + 2)
    elif stdin:
        raw = sys.stdin.buffer.read(LONGEST_VALUE + 3)
    elif has_terminal():
        raw = getpass.getpass(f"Value of {name} (not shown): ").strip().encode()
    else:
        raise VaultError(f"nobody is here to type {name}: give it with --stdin or --file")
    value = bytearray(raw.removesuffix(b"\n").removesuffix(b"\r"))
    if len(value) < SHORTEST:
        raise VaultError(f"that is shorter than {SHORTEST} characters, which is no secret; nothing has changed")
    return value


def sure(question: str, *, yes: bool) -> None:
    """Go on only if it is meant."""
    if not yes and not typer.confirm(question, default=False):
        raise VaultError("nothing has changed")


def _shown(passphrase: Passphrase) -> Passphrase:
    _say(f"\n    {passphrase.bytes.decode()}\n\nWrite it down now: it is shown this once.")
    return passphrase


def _say(text: str) -> None:
    """To the terminal itself: output may be going into a file."""
    TTY.write_text(text + "\n", encoding="utf-8")
