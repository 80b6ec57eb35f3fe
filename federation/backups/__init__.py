"""Backups: the whole database as one file, read in one consistent state and put back into an empty one."""
