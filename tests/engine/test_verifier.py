"""The audit chain is verified by a process of its own, also while it is written."""

import time

from domain.ports import MAIN_STREAM
from engine.core.journal import FileJournal
from engine.verifier import Verifier


class Now:
    def now_ns(self):
        return time.time_ns()


async def test_a_chain_that_is_being_written_is_verified_and_a_changed_byte_is_found(tmp_path):
    journal = FileJournal(tmp_path, fsync=False)
    chain = Verifier(journal, Now())
    assert (chain.view().verified_ns, chain.view().is_sound) == (0, False), "nobody has looked yet"
    for seq in range(1, 50):
        journal.append(MAIN_STREAM, seq, seq, b"x" * 20)
    journal.flush()
    found = await chain.verify()
    assert (found.is_sound, found.verified_seq, found.seq, found.detail) == (True, 49, 49, "")
    assert found.head == journal.head[1]
    journal.append(MAIN_STREAM, 50, 50, b"y")
    journal.flush()
    assert (chain.view().seq, chain.view().verified_seq) == (50, 49)
    segment = next(tmp_path.glob("main-*.journal"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    broken = await chain.verify()
    assert not broken.is_sound
    assert "broken at byte" in broken.detail
    journal.close()
