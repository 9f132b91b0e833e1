"""Operating the exchange. Not built yet."""
