"""What a corpus or a data set holds, as one page to look at: gathered, measured, drawn."""
