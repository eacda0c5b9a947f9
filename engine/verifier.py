"""Verifies the whole audit chain now and then, and remembers what came out.

It reads the whole journal, so a process of its own does it, at the lowest priority: trading never waits for it. That
process prints what it found as one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

from msgspec.structs import replace

from domain.errors import MoonDevError
from domain.ports import Clock
from domain.reports import Verified
from engine.core.journal import Anchor, FileJournal, verify

ROOT = Path(__file__).parents[1]
WITHIN_S = 1800.0


class Verifier:
    """The audit chain of one journal that is being written."""

    def __init__(self, journal: FileJournal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._last = Verified(seq=0, head="")
        self._one_at_a_time = asyncio.Lock()

    def view(self) -> Verified:
        """The head as it is now, and the last verification in this run."""
        seq, head = self._journal.head
        return replace(self._last, seq=seq, head=head)

    async def verify(self) -> Verified:
        """Verify it up to what is on disk now, and that the head which the writer knows is on it."""
        async with self._one_at_a_time:
            self._last = await self._verified()
        return self.view()

    async def _verified(self) -> Verified:
        seq, head = self._journal.head
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "engine.verifier", str(self._journal.directory.absolute()), f"{seq}", head,
            cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(WITHIN_S):
                said, _ = await child.communicate()
            found = json.loads(said)
        except (TimeoutError, ValueError):
            return Verified(seq=seq, head=head, detail="it could not be verified: ./moondev audit verify says why")
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        return Verified(
            seq=seq,
            head=head,
            verified_ns=self._clock.now_ns(),
            verified_seq=found["seq"],
            is_sound=found["ok"],
            detail=found["detail"],
        )


def main(directory: str, seq: str, head: str) -> None:
    """Verify a journal that may be written meanwhile; (seq, head) is a place on its chain."""
    os.nice(19)
    try:
        report = verify(Path(directory), [Anchor(int(seq), head)] if int(seq) else [])
        detail = str(report.broken) if report.broken is not None else "; ".join(report.lost)
        found = {"ok": report.ok, "seq": report.last_seq, "detail": detail}
    except MoonDevError as error:
        found = {"ok": False, "seq": 0, "detail": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
