"""The records: what a thing is or reads right now. Units last in the name; unknown is None, never 0."""
