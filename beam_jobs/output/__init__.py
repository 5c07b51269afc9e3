"""The folder of the data set: taken over or refused, held, noted, finished."""
