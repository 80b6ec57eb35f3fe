"""Waypost for programs: `waypost.client` asks a running gateway."""
