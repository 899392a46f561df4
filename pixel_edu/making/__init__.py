"""What makes the book and the release: rehearsals, the status page, pictures."""
