"""SQL projections of the fact stream: for people, screens and other programs, never the truth.

Projector          applies facts to a database, exactly once each, in one transaction a batch
ProjectionWriter   does so in a thread of its own; a slow or broken database never holds up the engine
rebuild            makes the projection anew from all facts, seen by readers at once or not at all
reads.py           trades, equity curve and orders for the desk

schema.py   tables      rows.py   facts to rows      migrations/   Alembic, shipped and run at start
"""
