"""Market data as vendors and venues store it, read row by row into our own events."""
