"""What can be rebuilt or looked up: SQL projections of the journal and market-data stores."""
