"""What the venues have in common.

setup       `VenueSetup` and the factory functions of every venue's `open.py`
"""
