"""Whatever is appended in whatever rhythm reads back equal, and any single flipped bit is found."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ports import MAIN_STREAM, MARKET_STREAM, Record
from engine.core.journal import Anchor, FileJournal, JournalReader, verify
from tests.engine.core.journal.journals import crashed, flip, read

records = st.tuples(
    st.sampled_from((MAIN_STREAM, MARKET_STREAM)),
    st.integers(1, 3),
    st.integers(0, 50),
    st.binary(max_size=60),
)
steps = st.lists(
    st.one_of(
        st.lists(records, min_size=1, max_size=12),
        st.sampled_from(("flush", "reopen", "crash", "age")),
    ),
    max_size=25,
)


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="journal-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


class Rhythm:
    """One journal driven through steps, beside a plain list of what it must hold."""

    def __init__(self, root: Path, segment_bytes: int) -> None:
        self.root, self.segment_bytes = root, segment_bytes
        self.generation, self.seq, self.ts_ns = 0, 0, -20
        self.expected: list[Record] = []
        self.anchors: list[Anchor] = []
        self.journal = self.opened()

    def opened(self) -> FileJournal:
        directory = self.root / str(self.generation)
        return FileJournal(directory, fsync=False, segment_bytes=self.segment_bytes, max_age_s=60)

    def append(self, run: list[tuple[int, int, int, bytes]]) -> None:
        for stream, step, later, payload in run:
            self.seq += step
            self.ts_ns += later
            self.expected.append(Record(stream, self.seq, self.ts_ns, payload))
            self.journal.append(stream, self.seq, self.ts_ns, payload)

    def flush(self) -> None:
        self.journal.flush()
        if self.seq:
            self.anchors.append(Anchor(*self.journal.head))

    def reopen(self) -> None:
        self.journal.close()
        self.journal = self.opened()

    def crash(self) -> None:
        """Go on from the files as they are; what was not durable is lost, and nothing else."""
        old, self.generation = self.root / str(self.generation), self.generation + 1
        durable = self.journal.durable_seq
        crashed(old, self.root / str(self.generation))
        self.journal.close()
        self.journal = self.opened()
        assert self.journal.durable_seq == self.journal.last_seq == durable
        self.expected = [r for r in self.expected if r.seq <= durable]
        self.seq = durable
        self.ts_ns = self.expected[-1].ts_ns if self.expected else -20

    def age(self) -> None:
        self.journal.commit()
        self.journal.flush()

    def step(self, step: str | list[tuple[int, int, int, bytes]]) -> None:
        if isinstance(step, list):
            self.append(step)
        else:
            getattr(self, step)()


@given(steps=steps, segment_bytes=st.sampled_from((1, 300, 2_000, 1 << 20)))
@settings(max_examples=120)
def test_any_rhythm_of_appends_flushes_reopenings_and_crashes_reads_back_equal(steps, segment_bytes):
    with folder() as root:
        rhythm = Rhythm(root, segment_bytes)
        for step in steps:
            rhythm.step(step)
        assert list(rhythm.journal.records()) == rhythm.expected
        rhythm.journal.close()
        directory = rhythm.journal.directory
        report = verify(directory, rhythm.anchors)
        assert report.broken is None
        assert not report.torn
        assert report.records == len(rhythm.expected)
        reader = JournalReader(directory)
        for at in {r.ts_ns for r in rhythm.expected}:
            assert reader.seq_at(at) == next(r.seq for r in rhythm.expected if r.ts_ns >= at)
        middle = rhythm.expected[len(rhythm.expected) // 2].seq if rhythm.expected else 0
        assert list(reader.records(middle, market=False)) == [
            r for r in rhythm.expected if r.seq >= middle and r.stream == MAIN_STREAM
        ]


@given(
    runs=st.lists(st.lists(records, min_size=1, max_size=8), min_size=1, max_size=8),
    segment_bytes=st.sampled_from((300, 1 << 20)),
    leave_open=st.booleans(),
    where=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
@settings(max_examples=120)
def test_any_single_flipped_bit_is_found_and_never_read_as_something_else(runs, segment_bytes, leave_open, where, bit):
    with folder() as root:
        rhythm = Rhythm(root, segment_bytes)
        for run in runs:
            rhythm.append(run)
            rhythm.flush()
        directory = rhythm.journal.directory
        if leave_open:
            directory = crashed(directory, root / "left")
        rhythm.journal.close()
        files = sorted(directory.glob("*.journal"))
        offset = int(where * sum(path.stat().st_size for path in files))
        for path in files:
            if offset < path.stat().st_size:
                flip(path, offset, 1 << bit)
                break
            offset -= path.stat().st_size
        report = verify(directory)
        assert not report.ok or report.torn
        assert not verify(directory, rhythm.anchors).ok or leave_open or "market" in path.name or report.torn
        got = []
        try:
            got = read(directory)
        except Exception as error:  # noqa: BLE001 - reading may refuse, it may not lie
            assert type(error).__name__ == "Broken"  # noqa: PT017
        assert got == rhythm.expected[: len(got)]
