"""Chain and content operations. Not built yet."""
