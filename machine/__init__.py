"""Makes a Debian or Ubuntu server ready for a course: packages, Docker Engine, ZFS, tools. Standard library only."""
