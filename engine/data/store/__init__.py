"""Stored market data: fetched, recorded or imported once, read by name.

series     which data: venue, instrument, kind; interval names
spans      stretches of time: joined, subtracted
manifest   what a series consists of: the commit point of every change
frames     rows of each kind as an Arrow table: made, checked, deduplicated
store      `MarketStore`: append and read, atomic, each row once
fetch      download what is missing from a `HistorySource`, page by page
record     `Recorder`: a live feed into the store
report     what is there, as a table
"""
