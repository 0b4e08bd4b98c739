"""Feature visualisation: inputs optimised for a unit or a label, deep dream and neural style transfer."""
