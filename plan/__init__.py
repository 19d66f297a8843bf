"""Pure functions from a course's configuration to what its parts are told."""
