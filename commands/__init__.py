"""What the commands are made of: the flags they share, how they ask and tell, and the larger of them, a file each."""
