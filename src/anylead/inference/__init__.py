"""A trained model in use: what `anylead.load` returns and what serves it."""
