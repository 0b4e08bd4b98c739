"""Tasks: kinds of answer, as values."""
