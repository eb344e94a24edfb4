"""Bridge connections and live calls: the code that performs what the pure packages decide."""
