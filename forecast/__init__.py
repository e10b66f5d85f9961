"""Monte Carlo forecasts of marketing and sales pipelines."""
