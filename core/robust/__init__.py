"""Robustness: adversarial attacks, common corruptions and their report."""
