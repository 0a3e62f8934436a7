"""The kernel side: C that collector.loader gives to bcc. No Python lives here."""
