"""The proof. The tree mirrors the product; a test's name is the sentence it proves."""
