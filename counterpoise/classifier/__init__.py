"""The classifier that is handed over: networks and rule in one file, its card, its evaluation."""
