"""Carries the vault's access log into the journal, line by line, whoever wrote it; and says when it is not as it was.

The cursor is the journal's: each line's event tells where the next look goes on, so a line is journaled once, however
the service ends. What is judged here is order: a cut, a change before the cursor, a line put in. Who wrote a line is
in its mark, which takes the vault's key: `moondev vault verify`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from domain.keys import KeyBook, VaultAccessed, VaultTrouble
from vault import disk
from vault.access import Access, read_from
from vault.crypto import BOUNDS, Bounds
from vault.errors import VaultError, VaultRolledBack
from vault.format import VaultFile, parse

log = logging.getLogger(__name__)

EVERY_S = 2.0


def refuse_older(path: Path, known: KeyBook, bounds: Bounds = BOUNDS) -> None:
    """Raise `VaultRolledBack` for a vault that is older than the journal knows, whatever its own log says.

    One that was restored with `--accept-older` counts on from what was known, so it is not.
    """
    if not (path.exists() or path.is_symlink()):
        return
    with disk.named(path):
        file, _ = parse(disk.read(path), bounds)
    if file.id.hex() == known.vault and file.sequence < known.sequence:
        raise VaultRolledBack(
            f"the vault {path} is of write {file.sequence}, and the journal knows write {known.sequence} of it: an "
            "older copy has been put in its place, with the keys of then. Nothing was started. Bring the newest copy "
            f"back (`moondev vault restore FILE --past {known.sequence}`), or, if the older one is meant, say so: "
            f"--accept-older --past {known.sequence}"
        )


class Follower:
    """Follows the log of the vault at `path`; `known` is the journal's cursor, `report` journals."""

    def __init__(
        self,
        path: Path,
        known: Callable[[], KeyBook],
        report: Callable[[VaultAccessed | VaultTrouble], None],
        bounds: Bounds = BOUNDS,
    ) -> None:
        """Nothing is read yet."""
        self._path, self._log = path, disk.log_path(path)
        self._known = known
        self._report = report
        self._bounds = bounds
        self._offset: int | None = None
        self._seen: tuple[int, int, int] | None = None
        self._n, self._mark = 0, ""
        self._noted_ns = 0
        self._vault = ""
        self._found: list[VaultAccessed | VaultTrouble] = []
        self._said = ""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                for event in await asyncio.to_thread(self.look):
                    self._report(event)
            except Exception:  # what else runs beside the engine must not end by it
                log.exception("the vault's access log cannot be followed")
            await asyncio.sleep(EVERY_S)

    def look(self) -> list[VaultAccessed | VaultTrouble]:
        """What is new, in order, to be journaled; cheap when nothing is."""
        self._found = []
        self._look()
        return self._found

    def _look(self) -> None:
        now = self._stat()
        if self._offset is None:
            book = self._known()
            self._n, self._mark, self._noted_ns, self._vault = book.n, book.mark, book.noted_ns, book.vault
        elif now == self._seen:
            return
        try:
            file = self._file()
            if file is None and self._vault:
                self._complain(f"the vault {self._path} is gone, and the journal knows it: find out who took it away")
            if now is not None and self._offset is not None and now[0] < self._offset:
                self._offset = None  # it was cut: everything is compared anew
            lines, offset = read_from(self._log, self._offset or 0)
        except VaultError as error:
            self._complain(f"{error}. Its lines are not journaled until that is set right: `moondev vault verify`")
            return
        self._take(self._new(lines, file) if self._offset is None else lines, file)
        self._offset, self._seen = offset, now

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._log.stat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns, found.st_ino

    def _file(self) -> VaultFile | None:
        if not (self._path.exists() or self._path.is_symlink()):
            return None
        return parse(disk.read(self._path), self._bounds)[0]

    def _new(self, lines: Sequence[Access], file: VaultFile | None) -> Sequence[Access]:
        """Lines after the cursor; when the log does not have its line, those that are later by their own time."""
        if not self._n:
            return lines
        if file is not None and file.id.hex() != self._vault:
            self._lost(lines, "the vault is another one than the journal knows, and so is its access log")
            self._n, self._mark = 0, ""
            return lines
        at = next((i for i, line in enumerate(lines) if (line.n, line.mark) == (self._n, self._mark)), None)
        if at is not None:
            return lines[at + 1 :]
        last = lines[-1].n if lines else 0
        if last < self._n:
            why = f"the vault's access log ends at line {last}, and the journal has line {self._n}: it was cut"
        else:
            why = f"line {self._n} of the vault's access log is not the one that the journal has: it was written anew"
        later = [line for line in lines if line.ts_ns > self._noted_ns]
        before = lines[-len(later) - 1] if len(lines) > len(later) else None
        self._lost([before] if before is not None else [], why)
        return later

    def _lost(self, known: Sequence[Access], why: str) -> None:
        self._n, self._mark = (known[-1].n, known[-1].mark) if known else (0, "")
        self._complain(f"{why}. What was done with the vault meanwhile may be hidden: find out who did it")

    def _take(self, lines: Sequence[Access], file: VaultFile | None) -> None:
        for line in lines:
            if (line.n, line.previous) != (self._n + 1, self._mark):
                self._complain(
                    f"between line {self._n} and line {line.n} of the vault's access log something was taken out or "
                    "put in: find out who did it"
                )
            self._n, self._mark, self._noted_ns, self._said = line.n, line.mark, line.ts_ns, ""
            self._vault = file.id.hex() if file is not None else self._vault
            self._found.append(event_of(line, file))

    def _complain(self, text: str) -> None:
        """Once, while it stays as it is."""
        if text != self._said:
            self._said = text
            log.error("%s", text)
            words = f"{text[:1].upper()}{text[1:]}."
            self._found.append(VaultTrouble(text=words, n=self._n, mark=self._mark))


def event_of(line: Access, file: VaultFile | None) -> VaultAccessed:
    """A line as an event. A write that the vault itself does not know of is not believed."""
    return VaultAccessed(
        n=line.n,
        noted_ns=line.ts_ns,
        user=line.user[:100],
        process=line.process[:100],
        pid=line.pid,
        verb=line.verb[:20],
        record=line.record[:100],
        kind=line.kind[:20],
        vault=file.id.hex() if file is not None else "",
        sequence=min(line.sequence, file.sequence) if file is not None else 0,
        missed=line.missed,
        mark=line.mark,
    )
