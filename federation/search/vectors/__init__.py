"""What models are about, as vectors: one for each model in a file beside the index, for what no word says."""
