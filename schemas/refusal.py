"""How every part tells its user that the environment or the input is wrong."""


class Refusal(Exception):  # noqa: N818 (not an error of ours: what the user sees is a refusal)
    """One line for the user: what failed, what was seen, what to do. Ends the command with a code above 0."""

    def __init__(self, failed: str, seen: str = "", advice: str = "") -> None:
        self.failed = failed
        self.seen = seen
        self.advice = advice
        super().__init__(failed, seen, advice)

    def __str__(self) -> str:
        """Join the parts into one line, control characters made visible."""
        line = self.failed
        if self.seen:
            line += f": {self.seen}"
        if self.advice:
            line += f"; {self.advice}"
        return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
