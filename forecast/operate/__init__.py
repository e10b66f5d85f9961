"""Forecasts at scale and every night: batches, the archive, what changed since the last one."""
