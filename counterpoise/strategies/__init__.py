"""Strategies: plan, loss, members and aim as values with a name."""
