"""Questions asked of simulated futures."""
