"""The journal: the only commit. Append-only, hash-chained, two record streams in one sequence.

format     the bytes on disk, described for a stranger
segments   segment files, and one open for appending
scan       main segments read with every check
recovery   what opening does after a crash
appender   groups of records onto the disk
reserve    room kept back for the day the disk is full
writer     FileJournal: the port, and its thread
reader     JournalReader: records from any seq or time
audit      verify and describe
archive    moves market segments away
snapshots  state snapshots beside the journal
memory     MemoryJournal, for simulations
"""

from engine.core.journal.archive import Archived, archive, archived
from engine.core.journal.audit import Anchor, AuditReport, describe, verify
from engine.core.journal.format import Break, Broken
from engine.core.journal.memory import MemoryJournal
from engine.core.journal.reader import JournalReader, MarketSpan
from engine.core.journal.scan import Cut
from engine.core.journal.segments import SegmentInfo
from engine.core.journal.snapshots import SnapshotStore
from engine.core.journal.writer import FileJournal

__all__ = [
    "Anchor",
    "Archived",
    "AuditReport",
    "Break",
    "Broken",
    "Cut",
    "FileJournal",
    "JournalReader",
    "MarketSpan",
    "MemoryJournal",
    "SegmentInfo",
    "SnapshotStore",
    "archive",
    "archived",
    "describe",
    "verify",
]
