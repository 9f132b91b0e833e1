"""Messages to users. Not built yet."""
