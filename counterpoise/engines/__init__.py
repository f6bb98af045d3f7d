"""Training of jobs: engines, the compiled program, early stopping, and steps of a strategy after training."""
