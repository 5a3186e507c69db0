"""Backup and restore of one tenant: its schema, its files, and what mirrors them. See ADR 12 for the format."""
