"""Tables of clips: CSV, TSV and JSON Lines, read row by row from a disk or a bucket."""
