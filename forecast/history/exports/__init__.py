"""From tables of text to records, by a mapping, with a report of every row."""
