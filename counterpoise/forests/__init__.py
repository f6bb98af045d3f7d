"""Forests and boosted trees as models: fitted by their libraries, converted to a Keras layer that needs neither."""
