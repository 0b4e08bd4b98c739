"""Faults of data sets: wrong labels, near-duplicates and outliers, ranked for a person to decide."""
