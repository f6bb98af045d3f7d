"""Data: rows are read from files, folders and arrays, checked, encoded as model inputs, and split."""
