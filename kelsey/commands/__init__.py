"""One file a command: options, help and what is printed; the work itself lives elsewhere."""
