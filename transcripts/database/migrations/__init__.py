"""Alembic migrations: one module in `versions/` for each change of the tables."""
