"""A run as a page, a picture, or figures for programs."""
