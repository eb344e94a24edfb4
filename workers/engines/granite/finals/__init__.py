"""From decoded tokens to finals: words, times, confidence, keyword checks."""
