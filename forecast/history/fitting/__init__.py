"""What records say about assumptions: conversions, lags, arrivals, sizes, gaps and the clock."""
