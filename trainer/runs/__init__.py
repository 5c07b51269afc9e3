"""The folder of a run, and all that lets a run be stopped, gone on with and read again."""
