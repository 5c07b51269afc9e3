"""Functions whose bits no processor changes: additions, multiplications and divisions alone.

NumPy chooses its logarithms, exponentials, sines and products of complex numbers by the
instructions of the processor, and the C library does the same; they differ in the last bit. Sums,
products, quotients and square roots of real arrays are rounded as IEEE 754 says, everywhere.
"""
