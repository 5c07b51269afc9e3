"""The version of the programs, read by setup.py and written into every manifest."""

VERSION = '0.1.0'
