"""Boxes with labels: the files of annotation programs, read and written, one small module for each format."""
