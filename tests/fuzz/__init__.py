"""A fuzzer of the command line: generated bad inputs, each in a forked process with limits of time and memory."""
