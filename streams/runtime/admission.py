"""Whether the next message of a partition may be taken: offsets follow one another, or something is said about it."""

from streams.runtime.link import Broken, Link, Message
from streams.runtime.reader import Reader


async def admitted(wanted: int, message: Message, topic: str, link: Link, reader: Reader) -> int | None:
    """Return how many messages of `topic` are lost before this one, which is to be taken; None: it was taken before.

    `wanted` is the offset that should come. Raises Broken as `admit` does, or where the log cannot be asked.
    """
    if message.offset <= wanted:
        return admit(wanted, message.offset, 0, wanted)
    log_start = await link.log_start(message.partition)
    if message.offset <= log_start:
        return admit(wanted, message.offset, log_start, message.offset)
    following = await reader.following(topic, message.partition, max(wanted, log_start))
    return admit(wanted, message.offset, log_start, following)


def admit(wanted: int, offset: int, log_start: int, following: int) -> int | None:
    """Return how many messages are lost before the one at `offset`, None: it was taken before.

    Messages are lost where retention passed the place that was committed: `log_start` is where the log begins.
    `following`: where its first message from there on stands; what transactions of others leave behind (control
    records) takes offsets and is none. Raises Broken for a message of the log that was not given to us.
    """
    if offset < wanted:
        return None
    if following < offset:
        raise Broken(f"offsets jumped from {wanted} to {offset}, and the log has {following}")
    return max(0, min(log_start, offset) - wanted)
