"""Distributions one can draw from: tensors and probability only."""
