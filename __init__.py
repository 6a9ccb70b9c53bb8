"""safezone."""
