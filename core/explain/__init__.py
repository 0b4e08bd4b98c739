"""Explanations: attribution of a prediction to its input, filters, activations and inputs that maximise them."""
