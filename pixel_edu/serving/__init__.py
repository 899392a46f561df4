"""The model in other programs' forms."""
