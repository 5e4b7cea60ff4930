"""Predictions -> numbers, with intervals; numpy and scikit-learn."""
