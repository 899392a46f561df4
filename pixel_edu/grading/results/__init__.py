"""What grading found: stored results, gradebooks, pages, similar answers."""
