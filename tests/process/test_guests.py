"""The user's own strategy files in the running program: broken, hanging, edited while it was down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.wake import source_hash
from tests.engine.core.test_guests import HANGS, guest
from tests.process.program import QUICK, Program

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

GUESTS = (
    QUICK
    + """
  - {id: guest, kind: guest, account: "PAPER:lab", instruments: [BTC-USDC-PERP.PAPER]}
  - {id: half, kind: half, account: "PAPER:lab", instruments: [ETH-USDC-PERP.PAPER]}
accounts:
  - {id: "PAPER:main", deposit: 100000}
  - {id: "PAPER:lab", deposit: 100000}
"""
)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path, GUESTS, forked=True)
    (made.data / "strategies").mkdir(parents=True, mode=0o700)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def write(program: Program, name: str, text: str) -> None:
    (program.data / "strategies" / f"{name}.py").write_text(text)


def test_files_that_break_and_hang_cost_their_own_strategies_and_no_start(program: Program) -> None:
    write(program, "guest", guest())
    write(program, "half", 'class Half:\n    kind = "half"\n    def decide(self')
    assert "cannot be used" in program.run_verb("config", "check").stderr
    doctor = program.run_verb("doctor", "--config", str(program.file))
    assert "half.py, line 3" in doctor.stdout

    program.start()
    program.ready()
    assert "half.py, line 3" in program.output()
    program.until("/strategies show half", "quarantined")
    program.until("/strategies show guest", "running")
    program.until("/trades", "BTC")
    changed = guest() + "\nCHANGED = True\n"
    write(program, "guest", changed)
    program.until("/strategies show guest", source_hash(changed)[:12])

    write(program, "guest", guest("TOP", HANGS))
    program.kill()
    program.start()
    program.ready()
    shown = program.until("/strategies show guest", "quarantined")
    assert "did not come back" in shown
    program.until("/status", "ACTIVE")
    program.changes("/trades 1")

    write(program, "guest", guest("FEEDS", "raise SystemExit(7)"))
    assert "SystemExit" in program.sure("/strategies start guest")
    write(program, "guest", guest())
    write(program, "half", guest().replace('"guest"', '"half"'))
    assert "is started" in program.sure("/strategies start guest")
    assert "is started" in program.sure("/strategies start half")
    program.until("/strategies show half", "status running")
    assert program.stop() == 0
    for words in (("replay",), ("replay", "--code")):
        replayed = program.run_verb(*words)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_a_hanging_file_is_refused_to_the_person_who_loads_it_and_trading_goes_on(program: Program) -> None:
    program.file.write_text(QUICK + GUESTS[GUESTS.index("accounts:") :])
    program.start()
    program.ready()
    for place in ("TOP", "INIT", "START"):
        write(program, "guest", guest(place, HANGS))
        said = program.sure("/strategies load guest own BTC PAPER:lab")
        assert "did not come back" in said, place
    program.changes("/trades 1")
    assert "bench_quoter" not in program.ask("/strategies load bench_quoter own BTC PAPER:lab").partition(":")[2]
    assert program.stop() == 0


UNSPEAKABLE = """
class Unspeakable(Exception):
    def __str__(self):
        return self.nothing_of_the_kind
"""


def test_errors_whose_text_cannot_be_made_or_encoded_cost_their_strategy_and_no_start(program: Program) -> None:
    write(program, "half", guest().replace('"guest"', '"half"') + UNSPEAKABLE + "\nraise Unspeakable\n")
    write(program, "lone", guest().replace('"guest"', '"lone"') + "\nraise ValueError('x\\ud800y' * 1_000_000)\n")
    write(program, "guest", guest("DECIDE", "raise Unspeakable") + UNSPEAKABLE)
    late = guest("INIT", "raise ValueError('x' + chr(0xd800))").replace('"guest"', '"late"')
    write(program, "late", late)
    doctor = program.run_verb("doctor", "--config", str(program.file))
    assert "its text cannot be made" in doctor.stdout
    for again in range(2):
        program.start()
        program.ready()
        assert "its text cannot be made" in program.until("/strategies show guest", "quarantined")
        refused = program.sure("/strategies load late l SOL PAPER:main")
        assert "x\\ud800" in refused, (again, refused)
        program.until("/trades", "BTC")
        program.changes("/trades 1")
        program.kill()
