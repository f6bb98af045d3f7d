"""How a job is trained: engines, the compiled program, stopping, and what a strategy does to its members afterwards."""
