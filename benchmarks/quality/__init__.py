"""How good the models are, beside trees and forests, on data that nobody tuned for (see `__main__`)."""
