"""Backup and restore of the whole instance: databases, files, queue, secrets. See ADR 12."""
