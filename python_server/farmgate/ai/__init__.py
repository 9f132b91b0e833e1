"""Forecasts. Not built yet."""
