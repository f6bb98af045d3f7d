"""Training of jobs: `run` gives the members of any jobs; networks are trained by Keras `fit` or the compiled program.

Both engines share rows (`batch_order`), loss (`objective`), early stopping, and the start values of a job.
"""
