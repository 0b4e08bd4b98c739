"""Features of a trained network: computed, written to files, indexed and searched for neighbours."""
