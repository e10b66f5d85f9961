"""Forecasts made again as of the past, scored against what came and simple baselines."""
