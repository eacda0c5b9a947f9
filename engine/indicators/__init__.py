"""Indicators over bars and books: finite-window, or recursive with carried state and a declared seed."""
