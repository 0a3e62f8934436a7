"""Migrations and cookbook of ClickHouse: data, not code; README.md says how they are written."""
