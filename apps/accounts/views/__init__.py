"""Pages of people: the bare host's doors and account, a tenant's members and settings."""
