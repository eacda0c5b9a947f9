"""The signer as a process of its own: started when nobody serves the socket yet, and looked after while it is needed.

A signer that `run` has started outlives a crash of the engine: the watchdog, a halt from outside and the next start
need its signatures. It ends with a clean stop, and by itself when nobody has asked for an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from domain.errors import ConfigError, VenueError
from vault.signer.client import SignerClient, SignerGone
from vault.signer.wire import Report

log = logging.getLogger(__name__)

SEALED = 11
"""Exit code of a signer that has no passphrase to open the vault with."""
IDLE_S = 3600.0
POLL_S = 0.02
WATCH_S = 1.0
RETRY_S = 10.0
READ_AGAIN_S = 10.0
"""A secret that another process has put into the vault is known here so much later."""
UNATTENDED_WITHIN_S = 60.0
STOP_WITHIN_S = 5.0


Saw = Literal["lost", "back", "refused"]


class Sealed(ConfigError):
    """The vault stays closed: nobody here hands out its passphrase."""


def sealed_words(data: Path) -> str:
    """What sealed means, and what to do."""
    return (
        f"the vault {data / 'vault'} is sealed, so nothing is traded: no passphrase is to be had here. At a terminal "
        f"of this machine: ./moondev signer --data {shlex.quote(str(data.absolute()))}"
    )


def is_open(data: Path) -> bool:
    """Whether a signer serves the data folder."""
    try:
        SignerClient(data).connect()
    except SignerGone:
        return False
    return True


class SignerProcess:
    """The signer of a data folder; `program` is the command that runs one there."""

    def __init__(self, data: Path, program: Sequence[str], idle_s: float = IDLE_S) -> None:
        self.client = SignerClient(data)
        self._data = data
        self._program = [*program, "signer", "--data", str(data), "--idle-s", f"{idle_s:g}"]
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self, *, interactive: bool) -> SignerClient:
        """A client of a signer that answers, started if need be; a person is asked for the passphrase if `interactive`.

        Blocks while a person types. Raises `Sealed`, and `ConfigError` for a signer that does not start.
        """
        with contextlib.suppress(SignerGone):
            self.client.connect()
            return self.client
        more = [] if interactive else ["--unattended"]
        self._child = subprocess.Popen(  # noqa: S603 - our own program
            [*self._program, *more],
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # whoever reads ours waits for its end, which may come long after ours
        )
        end = time.monotonic() + UNATTENDED_WITHIN_S
        while self._child.poll() is None and (interactive or time.monotonic() < end):
            with contextlib.suppress(SignerGone):
                self.client.connect()
                return self.client
            time.sleep(POLL_S)
        code = self._child.poll()
        self.stop()
        if code == SEALED:
            raise Sealed(sealed_words(self._data))
        raise ConfigError(
            f"the signer of {self._data} did not start"
            + (f" (exit code {code}); its own words are above" if code is not None else " in time")
        )

    async def keep(self, tell: Callable[[Saw, str], None], changed: Callable[[], None]) -> None:
        """Look after the signer until cancelled: start it again alone where nobody has to type, and say what is.

        `changed` is called when keys have been exchanged.
        """
        last: Report | None = None
        was_there, tried_s, read_s = True, 0.0, time.monotonic()
        self.client.is_kept = True
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                report = await self.client.report()
            except (VenueError, ConfigError) as error:
                if was_there:
                    log.critical("%s", error)
                    tell("lost", str(error)[:1].upper() + str(error)[1:] + ".")
                was_there = False
                if time.monotonic() - tried_s > RETRY_S:
                    tried_s = time.monotonic()
                    await self._again()
                continue
            if not was_there:
                tell("back", "The signer answers again.")
                was_there, last = True, None  # another one, perhaps, that counts anew and may have other keys
                await self._read_again()
                changed()
            if last is not None and (report.refused > last.refused or report.strangers > last.strangers):
                tell("refused", f"{report.last[:1].upper()}{report.last[1:]}.")
            if last is not None and report.version != last.version:
                await self._read_again()
                changed()
            elif time.monotonic() - read_s > READ_AGAIN_S:
                await self._read_again()
                read_s = time.monotonic()
            last = report

    async def _read_again(self) -> None:
        """The service secrets may have changed."""
        with contextlib.suppress(SignerGone, ConfigError):  # the next look says what is wrong
            await asyncio.to_thread(self.client.connect)

    async def _again(self) -> None:
        """Start it once more, without anybody."""
        try:
            await asyncio.to_thread(self.ensure, interactive=False)
        except Sealed:
            log.warning("%s", sealed_words(self._data))
        except (ConfigError, OSError) as error:
            log.error("%s", error)  # noqa: TRY400

    def stop(self) -> None:
        """End the signer, if it was started here or by an earlier run of the service."""
        child, self._child = self._child, None
        if child is None:
            if self.client.is_spawned:
                with contextlib.suppress(OSError):
                    os.kill(self.client.pid, signal.SIGTERM)
            return
        child.terminate()
        try:
            child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
