"""Does anything that happens to a run lose a document or change a byte? See `__main__`."""
