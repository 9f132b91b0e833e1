"""Forecasts of prices: honest about what is known, and calibrated about what is not."""
