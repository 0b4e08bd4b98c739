"""The review of a game: win rate and lead after each move, the costliest moves with better lines; page, plot, SGF."""
