"""The observer's entry: started by collector.own_process with the words that collector.observer tells of."""

from collector.lean_imports import leave_out


def main() -> None:
    """Be the observer, of no more modules than it needs."""
    leave_out()
    from collector import observer

    observer.main()


if __name__ == "__main__":
    main()
