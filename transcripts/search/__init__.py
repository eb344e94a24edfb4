"""Which calls to list: filters, order, pages, and the terms of the full-text search. Pure."""
