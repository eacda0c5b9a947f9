"""What the guided set-up (`moondev init`) needs of this room, for one data folder: see `bot.start.tools.Tools`."""

from __future__ import annotations

from pathlib import Path

from domain.errors import ConfigError
from engine import codes, totp
from engine.cli import data_folder
from engine.environments import NAMES
from engine.folder import check_kinds, is_running
from engine.links import new_code
from engine.settings_file import SettingsFile, file_of


class Authenticators:
    """One-time codes, as `moondev totp` enrols them."""

    def name(self, person: str) -> str:
        """Under which name a person's secret is kept."""
        return codes.secret_name(person)

    def new(self, person: str) -> tuple[str, str]:
        """A new secret, and the address that an authenticator app reads."""
        secret = codes.new_secret()
        return secret, codes.uri_of(person, secret)

    def is_right(self, secret: str, code: str) -> bool:
        """Whether a code is one of now."""
        return totp.is_right(secret, code)


class Setup:
    """The set-up of one data folder, which is made if need be. Raises `ConfigError` for one that cannot be used."""

    def __init__(self, data: Path, config: Path | None, secrets: totp.Keeper) -> None:
        """Nothing but the folder is made; the settings file comes with its first change."""
        self.data = data_folder("", data)
        check_kinds(data)
        self.file = SettingsFile(file_of(data, config), data)
        if not self.file.path.exists() and NAMES.get(data.name, "paper") != "paper":
            raise ConfigError(
                f"{data.name} trades at real venues, which a file has to name first: docs/venues.md; then --config FILE"
            )
        self.file.config()  # what is wrong already has to be mended by hand
        self.secrets = secrets
        self.codes = Authenticators()
        self.new_code = new_code

    @property
    def has_run(self) -> bool:
        """Whether the folder has a journal: then the persons and limits in it are in force, not the file's."""
        return (self.data / "journal").is_dir()

    def is_running(self) -> bool:
        """Whether a service runs on the folder."""
        return is_running(self.data)
