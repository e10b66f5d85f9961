"""What really happened: records of a CRM, assumptions from them, and how forecasts did."""
