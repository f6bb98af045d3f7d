"""What is trained: networks by name or from a user, their encoder, head, weights and losses."""
