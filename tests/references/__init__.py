"""Slow twins of the fast code: one number at a time in float64, written from the formulas of the papers alone.

They take numpy arrays or nested lists, import nothing of tinybert, and leave padding out by skipping it.
"""
