"""Playing: a policy as a player, the Go Text Protocol, and matches between GTP programs."""
