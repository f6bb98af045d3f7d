"""What the data alone say before any training."""
