"""Data: read from files, folders and arrays, checked, encoded and split."""
