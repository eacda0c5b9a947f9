"""Links, sessions and tokens in a real database."""
