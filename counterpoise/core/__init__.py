"""The basis of all other packages: records, checks, errors, and seeds, without a backend."""
