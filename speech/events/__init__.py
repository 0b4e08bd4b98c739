"""Events in recordings: which sound from when to when, read from label files beside the recordings or from a table."""
