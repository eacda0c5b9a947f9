"""Keys: the sealed store, the signer that signs and never shows, rotation and redaction.

store       `Vault`: create, open, put, reveal, remove
keys        the key hierarchy, and what it opens
format      the bytes of the file (docs/vault.md)
crypto      the primitives
files       private files, replaced whole or not at all
access      the access log beside the vault
passphrase  how strong it must be; a generated one
unlock      where it comes from
secrets     the plain 0600 file, for paper and test networks
"""
