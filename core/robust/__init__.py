"""How a network is fooled: by an adversary, and by what happens to inputs anyway."""
