"""A fit as a scenario with where each number comes from, as plain values, and as pictures."""
