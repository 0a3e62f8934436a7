"""What a report says of a period, and how it is shown."""
