"""What can be wrong with a vault; each text says what to do, and none holds a secret.

VaultError           anything below, and everything without a kind of its own
├── WrongPassphrase  the passphrase or the key file does not open it
├── VaultDamaged     bytes that nobody who knew the passphrase has written
├── VaultRolledBack  an older state of the same vault than one that was seen
└── VaultReplaced    another process has made a new master key; open it again
"""

from domain.errors import ConfigError


class VaultError(ConfigError):
    """The vault cannot be used as it is, or as asked."""


class WrongPassphrase(VaultError):
    """Passphrase and key file do not open the vault. Which of the two is wrong cannot be told."""


class VaultDamaged(VaultError):
    """A file that is cut, changed, or put together from parts of others."""


class VaultRolledBack(VaultError):
    """A whole and genuine file that is older than one that was seen before."""


class VaultReplaced(VaultError):
    """The open vault's master key is not the file's any more."""
