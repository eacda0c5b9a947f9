"""The audit chain for people: its head now, and what came out when it was last verified.

Verifying reads the whole journal, so a process of its own does it, at the lowest priority: trading never waits for it.
That process prints what it found as one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

from domain.errors import MoonDevError
from domain.ports import Clock, Journal
from domain.reports import ChainView
from engine.core.journal import FileJournal, verify

ROOT = Path(__file__).parents[1]
WITHIN_S = 1800.0


class Chain:
    """The chain of one journal; of one that is not in files there is nothing to verify."""

    def __init__(self, journal: Journal | None, clock: Clock) -> None:
        self._files = journal if isinstance(journal, FileJournal) else None
        self._clock = clock
        self._last: ChainView | None = None
        self._one_at_a_time = asyncio.Lock()

    def view(self) -> ChainView:
        """The head, and the last verification in this run."""
        if self._files is None:
            return ChainView(seq=0, head="", detail="the journal is not kept in files")
        seq, head = self._files.head
        last = self._last or ChainView(seq=0, head="")
        return ChainView(
            seq=seq,
            head=head,
            verified_ns=last.verified_ns,
            verified_seq=last.verified_seq,
            is_sound=last.is_sound,
            detail=last.detail,
        )

    async def verify(self) -> ChainView:
        """Verify it now, up to what is on disk, and against the head that was verified before."""
        if self._files is None:
            return self.view()
        async with self._one_at_a_time:
            self._last = await self._verified(self._files)
        return self.view()

    async def _verified(self, files: FileJournal) -> ChainView:
        seq, head = files.head
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "engine.chain", str(files.directory.absolute()), f"{seq}", head,
            cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(WITHIN_S):
                said, _ = await child.communicate()
            found = json.loads(said)
        except (TimeoutError, ValueError):
            return ChainView(seq=seq, head=head, detail="it could not be verified: ./moondev audit verify says why")
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        return ChainView(
            seq=seq,
            head=head,
            verified_ns=self._clock.now_ns(),
            verified_seq=found["seq"],
            is_sound=found["ok"],
            detail=found["detail"],
        )


def main(directory: str, seq: str, head: str) -> None:
    """Verify a journal that may be written meanwhile, with the head that its writer knows as an anchor."""
    from engine.core.journal import Anchor

    os.nice(19)
    try:
        anchors = [Anchor(int(seq), head)] if int(seq) else []
        report = verify(Path(directory), anchors)
        broken = report.broken
        detail = str(broken) if broken is not None else "; ".join(report.lost)
        found = {"ok": report.ok, "seq": report.last_seq, "detail": detail}
    except MoonDevError as error:
        found = {"ok": False, "seq": 0, "detail": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
