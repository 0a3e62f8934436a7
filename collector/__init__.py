"""The agent: kernel or capture bytes in, SBI events out. Pure core, thin rim."""
