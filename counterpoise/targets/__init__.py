"""The kinds of targets: one class per row, or several labels. Nothing above this room asks which it is."""
