"""Forward contracts. Not built yet."""
