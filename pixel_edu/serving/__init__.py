"""The model for others: over HTTP, on a page, and in other programs' forms."""
