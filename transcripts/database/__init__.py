"""The database of the store: tables, migrations, full-text index; events into rows, rows into values."""
