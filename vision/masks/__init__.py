"""Masks: a label for each pixel of a picture, read from files beside it."""
