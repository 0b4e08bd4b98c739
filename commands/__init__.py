"""The commands, a module for each group of them, and what they share: options, parsing of arguments, output."""
