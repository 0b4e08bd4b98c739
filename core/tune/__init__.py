"""Hyper-parameter search: network texts and settings with ranges, and studies over them (Optuna)."""
