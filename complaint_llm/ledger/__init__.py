"""The ledger: a row for each call and each attempt, without any texts, in an SQLite file of the office's own."""
