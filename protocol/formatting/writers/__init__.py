"""One module for each kind of number or code that is written differently than it is said. Pure."""
