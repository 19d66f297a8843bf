"""Builds every part of a course from package registries alone, where nothing else can be reached."""
