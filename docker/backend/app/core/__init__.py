"""Configuration, databases, identity and errors."""
