"""Playing: a network's moves as a player, the protocol of programs that show boards, and matches between programs."""
