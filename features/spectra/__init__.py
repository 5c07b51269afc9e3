"""What kinds of features are made of: frames, spectra, filter banks, and their pictures."""
