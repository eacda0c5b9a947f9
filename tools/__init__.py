"""Contributor tooling, not part of the product: `check` (format, lint, types, imports, docs), its rules."""
