"""`moondev vault`: make one, put secrets into it, look at it, change what opens it, back it up.

The passphrase comes from the source that the settings name, or is typed; a value is typed, piped, or read from a file.
Neither is ever an argument: those are seen by other processes and kept by the shell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import ConfigError

if TYPE_CHECKING:
    from domain.setup import VaultFound
    from vault.config import Fields, VaultConfig
    from vault.crypto import Bounds, Cost
    from vault.passphrase import Passphrase
    from vault.store import Vault

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (default .moondev/paper).")]
KeyFileOption = Annotated[Path | None, typer.Option("--key-file", help="Needed beside the passphrase; made if new.")]
GenerateOption = Annotated[
    Path | None, typer.Option("--generate-to", help="Make a passphrase and write it into this new file (0600).")
]
KeyringOption = Annotated[bool, typer.Option("--keyring", help="Also hand the passphrase to the system's keyring.")]
MemoryOption = Annotated[int, typer.Option("--memory-mib", help="What one guess takes; at least 64.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")]
NameArgument = Annotated[str, typer.Argument(help="Name of the secret, as the settings have it.")]
BackupArgument = Annotated[Path, typer.Argument(help="The backup's file.")]
IN_ARGUMENT = (
    "a value in the command line is seen by other processes and kept in the shell's history: take it as leaked, make a "
    "new one where it came from, and give that one when you are asked (or with --stdin, --file)"
)
CHANGE_THEM = "Whoever had a copy and what opened it has the secrets of then: change them where they came from."


class Verbs:
    """The verbs of `vault`. `fields(data)` reads the settings; `bounds` are the costs that files may ask for."""

    def __init__(self, default_data: Path, fields: Fields, bounds: Bounds | None = None) -> None:
        self._default_data = default_data
        self._fields = fields
        self._given_bounds = bounds

    def init(
        self,
        data: DataOption = None,
        key_file: KeyFileOption = None,
        generate_to: GenerateOption = None,
        memory_mib: MemoryOption = 256,
        *,
        keyring: KeyringOption = False,
    ) -> None:
        """Make the vault of a data folder. Its passphrase is typed, or one is made for you."""
        from vault.asking import make_key_file, new_passphrase
        from vault.disk import check_free
        from vault.store import Vault
        from vault.unlock import keep_in_keyring, refuse_environment

        refuse_environment()
        folder, config = self._folder(data)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "vault"
        check_free(path)
        passphrase, told = new_passphrase("the new vault", generate_to, config, path)
        told += make_key_file(key_file) if key_file is not None else ""
        with Vault.create(path, passphrase, key_file, self._cost(memory_mib), bounds=self._bounds) as vault:
            if keyring:
                keep_in_keyring(vault.file.id.hex(), passphrase)
                told += " The keyring has the passphrase too: set vault.passphrase.from to keyring."
        passphrase.wipe()
        typer.echo(f"The vault {path} is made and empty; each opening takes {memory_mib} MiB of memory.{told}")
        typer.echo("Nobody can open it without the passphrase, and nobody can recover that: keep it where you find it.")
        if (plain := folder / "secrets").exists():
            typer.echo(f"The plain file is not read any more: `moondev vault add --from-file {plain}` takes it over.")

    def add(
        self,
        context: typer.Context,
        name: NameArgument = "",
        data: DataOption = None,
        kind: Annotated[str, typer.Option(help="exchange, owner or service; default: as the settings use it.")] = "",
        file: Annotated[Path | None, typer.Option(help="Take the value from this file (0600).")] = None,
        from_file: Annotated[Path | None, typer.Option(help="Take all secrets of a plain file `name = value`.")] = None,
        *,
        stdin: Annotated[bool, typer.Option("--stdin", help="Take the value from standard input.")] = False,
        remove: Annotated[bool, typer.Option("--remove", help="With --from-file: remove the plain file then.")] = False,
    ) -> None:
        """Put a secret into the vault, or a new value in the place of the old one."""
        from vault.adding import kind_of
        from vault.asking import value_of
        from vault.format import Kind
        from vault.memory import wipe

        if context.args:
            raise ConfigError(IN_ARGUMENT)
        if bool(name) == (from_file is not None):
            raise ConfigError("say which secret: `moondev vault add NAME`, or --from-file FILE for a whole file")
        if kind and kind not in set(Kind):
            raise ConfigError(f"--kind {kind!r}: choose {', '.join(Kind)}")
        with self._opened(data) as (vault, config):
            if from_file is not None:
                self._take(vault, from_file, config, remove=remove)
                return
            content = value_of(name, file, stdin=stdin)
            known = next((one.kind for one in vault.file.records if one.name == name), None)
            view = vault.put(name, Kind(kind) if kind else known or kind_of(name, config), content)
            wipe(content)
            says = f"version {view.version}, fingerprint {view.fingerprint}, write {vault.sequence}"
            typer.echo(f"{name} ({view.kind}) is in the vault: {says}.")

    def ls(self, data: DataOption = None, *, as_json: JsonOption = False) -> None:
        """Show what is in the vault: names, kinds, ages and fingerprints, never a value."""
        from vault.shown import list_json, list_text

        with self._opened(data) as (vault, _):
            typer.echo((list_json if as_json else list_text)(vault))

    def rm(self, name: NameArgument, data: DataOption = None, *, yes: YesOption = False) -> None:
        """Take a secret out of the vault. Copies made before still have it: revoke it where it came from."""
        from vault.asking import sure

        with self._opened(data) as (vault, _):
            if not vault.has(name):
                raise ConfigError(f"there is no {name!r} in the vault; `moondev vault ls` shows what there is")
            sure(f"Take {name} out of the vault?", yes=yes)
            vault.remove(name)
            typer.echo(f"{name} is out of the vault (write {vault.sequence}).")
            typer.echo("The last copies beside it, and backups, still have it: revoke it where it came from.")

    def rotate(self, data: DataOption = None) -> None:
        """Give the vault a new master key under the same passphrase, for when the old one may have been seen."""
        with self._unlocked(data) as (vault, config, passphrase):
            vault.rotate_master(passphrase, config.key_path)
            typer.echo(
                f"The vault has master key number {vault.file.generation}; every secret is wrapped anew (write "
                f"{vault.sequence}), copies under the old key are removed, and fingerprints have changed. A running "
                f"service or signer goes on with what it had until it is started again. {CHANGE_THEM}"
            )

    def passwd(
        self,
        data: DataOption = None,
        key_file: KeyFileOption = None,
        generate_to: GenerateOption = None,
        memory_mib: MemoryOption = 256,
        *,
        without_key_file: Annotated[bool, typer.Option(help="Need no key file any more.")] = False,
        keyring: KeyringOption = False,
    ) -> None:
        """Change what opens the vault: the passphrase, the key file, or what one guess takes."""
        from vault.asking import make_key_file, new_passphrase
        from vault.unlock import keep_in_keyring

        with self._unlocked(data) as (vault, config, old):
            new, told = new_passphrase("the vault", generate_to)
            told += make_key_file(key_file) if key_file is not None else ""
            now = None if without_key_file else key_file or config.key_path
            cost = self._cost(memory_mib)
            vault.change_passphrase(old, new, old_key_file=config.key_path, key_file=now, cost=cost)
            if keyring:
                keep_in_keyring(vault.file.id.hex(), new)
                told += " The keyring has it too."
            if old.source.startswith(("the file", "systemd")):
                told += f" At the next start {old.source} has to hand out the new one: put it there now."
            if now != config.key_path:
                told += f" Set vault.key_file to {now or 'nothing'}."
            new.wipe()
            says = (
                f"The vault opens with the new passphrase (write {vault.sequence}); copies under the old are removed."
            )
            typer.echo(f"{says}{told} {CHANGE_THEM}")

    def verify(self, data: DataOption = None, *, as_json: JsonOption = False) -> None:
        """Open the vault and decrypt everything; check its copies and its access log."""
        from vault.shown import verified, verify_json, verify_text

        with self._opened(data) as (vault, _):
            problems = verified(vault, self._bounds)
            typer.echo((verify_json if as_json else verify_text)(vault, problems))
        raise typer.Exit(1 if problems else 0)

    def export_backup(
        self,
        file: BackupArgument,
        data: DataOption = None,
        generate_to: GenerateOption = None,
        *,
        own_passphrase: Annotated[bool, typer.Option(help="Give the backup another passphrase.")] = False,
    ) -> None:
        """Write a backup as a new file, under the vault's passphrase or one of its own."""
        from vault import backup
        from vault.asking import new_passphrase

        with self._opened(data) as (vault, _):
            own, told = None, "the vault's passphrase of today"
            told += " and its key file: keep a copy of that too, apart" if vault.file.needs_key_file else ""
            says = ""
            if own_passphrase or generate_to is not None:
                own, says = new_passphrase("the backup", generate_to)
                told = "its own passphrase, and without any key file"
            backup.export(vault, file, own, vault.file.cost, self._bounds)
            count = len(vault.file.records)
            typer.echo(f"{file} is a backup of write {vault.sequence}, {count} records. It opens with {told}.{says}")

    def restore(
        self,
        file: BackupArgument,
        data: DataOption = None,
        key_file: KeyFileOption = None,
        past: Annotated[int, typer.Option(help="The highest write that the service has seen, as it said.")] = 0,
        *,
        accept_older: Annotated[
            bool, typer.Option(help="Lose what was changed since the backup; removed secrets come back.")
        ] = False,
    ) -> None:
        """Make a backup the vault again. It then opens with the backup's passphrase."""
        from vault import backup
        from vault.asking import has_terminal
        from vault.unlock import ask, find_passphrase

        folder, config = self._folder(data)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        question = f"Passphrase of the backup {file}: "
        typed = has_terminal()
        passphrase = ask(question) if typed else find_passphrase(config, file, interactive=False)
        if passphrase is None:
            raise ConfigError("nobody hands out the backup's passphrase: do this at a terminal")
        keys = key_file or config.key_path
        bounds, path = self._bounds, folder / "vault"
        done = backup.restore(file, path, passphrase, keys, accept_older=accept_older, past=past, bounds=bounds)
        passphrase.wipe()
        typer.echo(
            f"The vault is that of write {done.backup_sequence} again, from now on counted as write {done.sequence}: "
            f"{done.records} records. It opens with the backup's passphrase."
        )
        for what, names in (("Gone", done.lost), ("Back again", done.back)):
            if names:
                typer.echo(f"{what}: {', '.join(names)}.")
        if done.former is not None:
            typer.echo(f"The former one is kept as {done.former}.")

    def doctor(self, data: DataOption = None, *, as_json: JsonOption = False) -> None:
        """Look at the vault as it lies there, without its passphrase, and say what guessing one would cost."""
        from vault.closed import look
        from vault.shown import doctor_json, doctor_text

        folder, config = self._folder(data)
        found = look(folder, config, bounds=self._bounds)
        if not found:
            raise ConfigError(f"there is no vault in {folder}: `moondev vault init` makes one")
        typer.echo((doctor_json if as_json else doctor_text)(folder / "vault", found, self._bounds))
        raise typer.Exit(0 if all(one.ok or not one.severe for one in found) else 1)

    @property
    def _bounds(self) -> Bounds:
        from vault.crypto import BOUNDS

        return self._given_bounds or BOUNDS

    def _cost(self, memory_mib: int) -> Cost:
        from vault.crypto import KIB_PER_MIB, Cost

        return Cost(memory_mib * KIB_PER_MIB) if self._given_bounds is None else self._given_bounds.least

    def _folder(self, data: Path | None) -> tuple[Path, VaultConfig]:
        from vault.config import config_of

        folder = data or self._default_data
        return folder, config_of(self._fields(folder))

    @contextmanager
    def _opened(self, data: Path | None) -> Iterator[tuple[Vault, VaultConfig]]:
        with self._unlocked(data) as (vault, config, passphrase):
            passphrase.wipe()
            yield vault, config

    @contextmanager
    def _unlocked(self, data: Path | None) -> Iterator[tuple[Vault, VaultConfig, Passphrase]]:
        """The open vault, with the passphrase that has opened it."""
        from vault.asking import has_terminal
        from vault.unlock import open_with_passphrase

        folder, config = self._folder(data)
        found = open_with_passphrase(folder / "vault", config, interactive=has_terminal(), bounds=self._bounds)
        if found is None:
            raise ConfigError("nobody hands out the passphrase: do this at a terminal, or set vault.passphrase")
        vault, passphrase = found
        try:
            with vault:
                yield vault, config, passphrase
        finally:
            passphrase.wipe()

    def _take(self, vault: Vault, file: Path, config: VaultConfig, *, remove: bool) -> None:
        from vault.adding import remove_plain, take_file
        from vault.asking import has_terminal

        for line in take_file(vault, file, config):
            typer.echo(line)
        if remove or (has_terminal() and typer.confirm(f"Remove the plain file {file}?", default=False)):
            typer.echo(remove_plain(file, vault))
        else:
            typer.echo(f"{file} is still there, for whoever can read it: the same with --remove takes it away.")


def look(data: Path, fields: dict[str, Any], needed: Sequence[str]) -> list[VaultFound]:
    """What there is to say about the vault of a data folder, closed as it is; nothing where there is none."""
    from vault import closed
    from vault.config import config_of

    return closed.look(data, config_of(fields), needed)


def register(app: typer.Typer, default_data: Path, fields: Fields, bounds: Bounds | None = None) -> typer.Typer:
    """Add `vault` and its verbs, and return it for those of other files."""
    verbs = Verbs(default_data, fields, bounds)
    group = typer.Typer(no_args_is_help=True)
    for verb in (verbs.init, verbs.ls, verbs.rm, verbs.rotate, verbs.passwd, verbs.verify, verbs.restore):
        group.command()(verb)
    group.command(context_settings={"allow_extra_args": True})(verbs.add)
    group.command("export-backup")(verbs.export_backup)
    group.command()(verbs.doctor)
    app.add_typer(group, name="vault", help="The sealed store of keys, tokens and passwords.")
    return group
