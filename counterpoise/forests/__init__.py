"""Forests and boosted trees as models: fitted by their libraries, saved as Keras layers that need no such library."""
