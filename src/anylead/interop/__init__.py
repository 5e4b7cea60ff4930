"""Other people's weights <-> ours, and models that travel over the Hugging Face hub."""
