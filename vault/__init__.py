"""Keys: the sealed store, the signer that signs and never shows, rotation and redaction."""
