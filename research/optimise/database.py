"""Where studies are kept: a SQLite file of the data folder, or the PostgreSQL that `storage.url` names.

The tables are Optuna's, so its own tools can read them. In PostgreSQL they have a schema of their own: the
projections beside them may be dropped and made again from the journal, studies may not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import ConfigError, MoonDevError

FILE = "studies.db"
SCHEMA = "studies"
BUSY_S = 20


class Database:
    """Studies by name. Raises `MoonDevError` when the database cannot be reached or is none."""

    def __init__(self, url: str) -> None:
        """Open it; tables are made where there are none."""
        self._shown = make_url(url).render_as_string(hide_password=True) if "://" in url else url
        try:
            parsed = make_url(url)
            is_server = parsed.get_backend_name() == "postgresql"
            self.storage = _postgres(url) if is_server else _sqlite(url)
        except (SQLAlchemyError, RuntimeError) as error:
            raise MoonDevError(f"studies cannot be kept in {self._shown}: {str(error).splitlines()[0]}") from error
        self._file = Path(parsed.database) if parsed.database and not is_server else None
        self._inode = _inode(self._file)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Raises `MoonDevError` in words for what the database cannot do within: it is full, locked, or gone."""
        try:
            yield
        except (StorageInternalError, SQLAlchemyError) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
            raise MoonDevError(
                f"{self._shown} cannot be read or written: {str(cause).splitlines()[0]}. What was written before is "
                "kept; when this is mended, go on with: ./moondev optimise go-on STUDY"
            ) from error

    def check(self) -> None:
        """Raises `MoonDevError` when the file is not the one that was opened: what is written now would be lost."""
        if self._file is not None and _inode(self._file) != self._inode:
            raise MoonDevError(f"{self._file} was removed or replaced while the study ran: it cannot go on")

    def begin(self, name: str, directions: Sequence[StudyDirection]) -> int:
        """The id of a study, made when there is none of that name."""
        try:
            return self.storage.create_new_study(directions, name)
        except DuplicatedStudyError:
            return self.storage.get_study_id_from_name(name)

    def find(self, name: str) -> int:
        """The id of a study. Raises `ConfigError` naming those there are."""
        names = self.names()
        if name not in names:
            raise ConfigError(f"there is no study {name!r}; there are: {', '.join(names) or 'none'}")
        return self.storage.get_study_id_from_name(name)

    def names(self) -> list[str]:
        """Every study, oldest first."""
        return [study.study_name for study in self.storage.get_all_studies()]

    def noted(self, study_id: int) -> dict[str, Any]:
        """What is written down beside a study's trials."""
        found: dict[str, Any] = self.storage.get_study_user_attrs(study_id)
        return found

    def trials(self, study_id: int) -> list[FrozenTrial]:
        """A study's trials in order of number."""
        return sorted(self.storage.get_all_trials(study_id, deepcopy=False), key=lambda trial: trial.number)

    def close(self) -> None:
        """Let go of the database."""
        self.storage.remove_session()
        self.storage.engine.dispose()


def file_url(data: Path) -> str:
    """The default: a file of the data folder."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sqlite:///{data / FILE}"


def _inode(file: Path | None) -> int:
    """Which file it is, 0 = none."""
    return file.stat().st_ino if file is not None and file.exists() else 0


def _sqlite(url: str) -> RDBStorage:
    storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": BUSY_S}})

    def connected(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(storage.engine, "connect", connected)
    storage.remove_session()
    storage.engine.dispose()
    return storage


def _postgres(url: str) -> RDBStorage:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    engine.dispose()
    with warnings.catch_warnings():
        return RDBStorage(
            url, engine_kwargs={"pool_pre_ping": True, "connect_args": {"options": f"-csearch_path={SCHEMA}"}}
        )
