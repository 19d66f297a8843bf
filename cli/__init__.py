"""The command line: what the units of host/ tell and do, for people."""
