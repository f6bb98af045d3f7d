"""The training of networks: what is trained, by which engine, and what is kept of it."""
