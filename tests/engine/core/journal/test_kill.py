"""`kill -9` at random moments: whatever the child said was durable is there, and the journal goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.core.journal import FileJournal, verify
from tests.engine.core.journal.journals import record

ROOT = Path(__file__).resolve().parents[4]
ROUNDS = 8

CHILD = """
import os, sys
from pathlib import Path
from engine.core.journal import FileJournal
from tests.engine.core.journal.journals import record

journal = FileJournal(Path(sys.argv[1]), fsync=sys.argv[2] == "fsync", segment_bytes=100_000, max_age_s=0.002)
journal.on_durable(lambda seq: os.write(1, b"%d\\n" % seq))
os.write(1, b"0\\n")
seq = journal.last_seq
while True:
    seq += 1
    each = record(seq, stream=int(seq % 7 > 0), size=seq % 90)
    journal.append(each.stream, each.seq, each.ts_ns, each.payload)
    if seq % 11 == 0:
        journal.commit()
    if journal.last_seq - journal.durable_seq > 2_000:
        journal.flush()
"""


def run_and_kill(directory: Path, mode: str, seconds: float) -> int:
    """Start the child, kill it, and return the last seq that it said was durable."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), mode], cwd=ROOT, stdout=subprocess.PIPE, bufsize=0
    )
    assert child.stdout is not None
    said = os.read(child.stdout.fileno(), 65536)
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    said += child.stdout.read()
    child.wait()
    child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    whole = said[: said.rfind(b"\n")].split(b"\n")
    return max(int(line) for line in whole)


@pytest.mark.process
@pytest.mark.parametrize("mode", ["fsync", "no fsync"])
def test_everything_said_to_be_durable_survives_kill_9(tmp_path, mode):
    dice = random.Random(mode)
    known, cuts = 0, 0
    for _ in range(ROUNDS):
        durable = run_and_kill(tmp_path, mode, dice.uniform(0.0, 0.15))
        report = verify(tmp_path)
        assert report.ok, report.broken
        journal = FileJournal(tmp_path, fsync=False)
        assert journal.last_seq >= max(durable, known)
        cuts += len(journal.cuts)
        known = journal.last_seq
        journal.close()
    journal = FileJournal(tmp_path, fsync=False)
    expected = [record(seq, stream=int(seq % 7 > 0), size=seq % 90) for seq in range(1, known + 1)]
    assert list(journal.records()) == expected
    journal.close()
    report = verify(tmp_path)
    assert report.ok
    assert report.records == known > 1_000
    print(f"{mode}: {ROUNDS} kills, {known} records, {cuts} torn ends cut")
