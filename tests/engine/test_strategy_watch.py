"""A strategy's file that changes while it runs: told where money is real, taken in on paper, never by halves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.commands import ReloadStrategy
from domain.errors import ConfigError
from domain.events import CommandReceived
from domain.facts import StrategyStatus
from domain.files import StrategyFileBroken, StrategyFileChanged
from domain.settings import StrategySpec
from engine.config import load_config
from engine.core.core import Core
from engine.core.state import State, StrategyState
from engine.desk_strategies import StrategySource
from engine.strategies import registry
from engine.strategies.new import write
from engine.strategy_watch import StrategyWatch

BTC = "BTC-USDC-PERP.PAPER"
SPEC = StrategySpec(id="mine", kind="mine", account="PAPER:main", instruments=(BTC,))


class Folder:
    """The user's folder, and a core that runs `mine` out of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, write("mine", folder).strategy
        self.core = Core(State())
        self.at_ns = 1
        self.take_in()

    def take_in(self) -> None:
        """What the core does with a reload."""
        loaded = registry.load("mine", self.folder)
        self.core.code["mine"] = registry.make(loaded, SPEC)
        self.core.state.strategies["mine"] = StrategyState(
            SPEC, source_hash=loaded.source_hash, status=StrategyStatus.RUNNING
        )

    def source_of(self, spec: StrategySpec) -> StrategySource:
        loaded = registry.load(spec.kind, self.folder)
        registry.make(loaded, spec)
        return StrategySource(loaded.source, loaded.source_hash, loaded.strategy.params_type, loaded.origin)

    def edit(self, text: str) -> None:
        self.at_ns += 1_000_000_000
        self.file.write_text(text)
        os.utime(self.file, ns=(self.at_ns, self.at_ns))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def looks(watch: StrategyWatch, times: int = 2) -> list[object]:
    return [event for _ in range(times) for event in watch.look()]


def test_a_change_is_told_once_and_not_before_the_file_has_settled(folder: Folder) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=False)
    assert looks(watch, 3) == []
    folder.edit("def half(")
    assert looks(watch, 1) == [], "an editor may still be writing"
    folder.edit(folder.core.code["mine"].source + "# more\n")
    assert looks(watch, 4) == [StrategyFileChanged(file="mine.py", strategies=("mine",))]


def test_on_paper_it_is_taken_in_with_the_very_text_that_was_seen(folder: Folder) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=True)
    looks(watch)
    folder.edit(folder.core.code["mine"].source + "# more\n")
    [event] = looks(watch, 4)
    assert isinstance(event, CommandReceived)
    assert event.command == ReloadStrategy(
        strategy="mine", source_hash=registry.load("mine", folder.folder).source_hash
    )
    folder.take_in()
    assert looks(watch, 3) == []


def test_a_text_that_is_put_back_is_asked_for_under_an_id_of_its_own(folder: Folder) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=True)
    looks(watch)
    before = folder.core.code["mine"].source
    asked = []
    for text in (before + "# more\n", before, before + "# more\n"):
        folder.edit(text)
        [event] = looks(watch, 4)
        assert isinstance(event, CommandReceived)
        asked.append(event.request_id)
        folder.take_in()
    assert len(set(asked)) == 3, "the core answers an id that it has seen with REPEATED"


def test_a_broken_file_is_told_and_what_runs_is_left_alone(folder: Folder) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=True)
    looks(watch)
    folder.edit("import os\n" + folder.core.code["mine"].source)
    [event] = looks(watch, 4)
    assert isinstance(event, StrategyFileBroken)
    assert "may not import 'os'" in event.problem
    folder.file.unlink()
    [gone] = looks(watch, 4)
    assert isinstance(gone, StrategyFileBroken)


def test_touching_a_file_or_changing_it_back_is_no_change(folder: Folder) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=False)
    looks(watch)
    folder.edit(folder.core.code["mine"].source)
    assert looks(watch, 4) == []


def test_an_edit_between_the_loading_and_the_first_look_is_not_missed(folder: Folder) -> None:
    folder.edit(folder.core.code["mine"].source + "# more\n")
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=False)
    assert looks(watch, 3) == [StrategyFileChanged(file="mine.py", strategies=("mine",))]


def test_a_file_under_another_name_is_watched_there(folder: Folder) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=False)
    looks(watch)
    folder.file = folder.file.rename(folder.folder / "renamed.py")
    assert looks(watch, 4) == [], "it is the same text"
    folder.edit(folder.core.code["mine"].source + "# more\n")
    assert looks(watch, 4) == [StrategyFileChanged(file="renamed.py", strategies=("mine",))]


def test_a_release_that_is_rolled_back_and_forward_by_its_link_is_taken_in_each_time(folder: Folder) -> None:
    text = folder.core.code["mine"].source
    old, new = folder.folder / "_old.py", folder.folder / "_new.py"
    old.write_text(text)
    new.write_text(text.replace("Believes", "believes"))
    for path in (old, new):
        os.utime(path, ns=(5, 5))
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=True)
    looks(watch)
    asked = []
    for path in (new, old, new):
        folder.file.unlink()
        folder.file.symlink_to(path)
        [event] = looks(watch, 4)
        assert isinstance(event, CommandReceived)
        asked.append(event.request_id)
        folder.take_in()
    assert len(set(asked)) == 3


@pytest.mark.parametrize("what", ["pipe", "folder", "huge", "loose link"])
def test_a_file_that_becomes_something_else_is_told_once(folder: Folder, what: str) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=True)
    looks(watch)
    folder.file.unlink()
    match what:
        case "pipe":
            os.mkfifo(folder.file)
        case "folder":
            folder.file.mkdir()
        case "huge":
            with folder.file.open("wb") as file:
                file.truncate(1 << 40)
        case _:
            folder.file.symlink_to(folder.folder / "nowhere.py")
    [event] = looks(watch, 4)
    if what == "pipe":
        folder.file.unlink()  # Hypothesis reads the files of all modules, and would wait for this one
    assert isinstance(event, StrategyFileBroken)


def test_one_in_quarantine_waits_for_a_person(folder: Folder) -> None:
    watch = StrategyWatch(folder.core, folder.source_of, takes_in=True)
    looks(watch)
    folder.core.state.strategies["mine"].status = StrategyStatus.QUARANTINED
    folder.edit(folder.core.code["mine"].source + "# mended\n")
    assert looks(watch, 4) == []


def test_taking_in_without_being_asked_is_for_paper_alone(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("environment: testnet\nown_strategies: {reload: auto}\n")
    with pytest.raises(ConfigError, match=r"own_strategies\.reload: changed code is taken in .* on paper alone"):
        load_config(file)
