"""Running machine code: the runner and the threads that help it, and the memory of a run."""
