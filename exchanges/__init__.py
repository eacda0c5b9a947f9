"""One small package per venue, with the HTTP, stream and rate-limit pieces that they share.

Blind to `engine` and `vault`: `main.py` joins them through the ports of `domain`.
"""
