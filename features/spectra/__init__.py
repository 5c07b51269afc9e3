"""What kinds of features are made of: frames, spectra, filter banks."""
