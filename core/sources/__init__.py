"""Examples from folders, archives and tables: listed with label and split, decoded once, cached as arrays."""
