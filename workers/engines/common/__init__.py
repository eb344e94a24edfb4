"""What several engines share: downloads, caches, beam search, keyword lists, hallucination filters."""
