"""What every other package stands on: records, checks, errors, seeds, and no backend."""
