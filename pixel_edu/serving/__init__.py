"""The model for others: over HTTP, on a page, and in the formats of other programs."""
