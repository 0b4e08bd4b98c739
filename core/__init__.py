"""The network that all domains share; it knows nothing of pictures, sound, words or boards."""
