"""Where records may be kept between two passes (stores.py keeps them)."""

NONE, MEMORY, DISK = 'none', 'memory', 'disk'
CACHES = (NONE, MEMORY, DISK)
