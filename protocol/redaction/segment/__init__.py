"""What one segment says: its numbers, the words that say what they are, addresses and dates."""
