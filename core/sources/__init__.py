"""Examples on other people's disks: what there is, with label and part, before it is decoded, and decoded once."""
