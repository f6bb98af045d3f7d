"""The race of strategies on equal terms, and its verdict."""
