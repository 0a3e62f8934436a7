"""Which field that one reader of a header block could not read is which of those that another reader read."""

from collections.abc import Container

Field = tuple[bytes | None, bytes | None]
Fields = tuple[Field, ...]

LARGEST_LIST = 16_384  # octets of fields; of a larger one some may have been left out (Decoder.cut_fields)


def list_octets(fields: Fields) -> int:
    """Return the size of a header list as SETTINGS_MAX_HEADER_LIST_SIZE has it (RFC 9113 6.5.2)."""
    return sum(32 + len(name or b"") + len(value or b"") for name, value in fields)


def aligned(partly: Fields, unread: Container[int], whole: Fields) -> list[tuple[int, int]]:
    """Return which field not read (its place) is which of the whole fields; empty where the two contradict each other.

    Fields that nobody reads stand in neither list, unless their name was not read: so between two fields that were
    read there may be fewer whole ones, and then it is open which they are. Pseudo-headers come first, all of them are
    read (RFC 9113 8.3).
    """
    pseudo = sum(1 for name, _ in whole if name is not None and name.startswith(b":"))
    if list_octets(partly) > LARGEST_LIST or len(partly) < len(whole):
        return []
    if not _agree(partly[:pseudo], whole[:pseudo]):
        return []
    pairs = [(at, at) for at in range(pseudo) if at in unread]
    begin, place = pseudo, pseudo
    for at in range(pseudo, len(partly) + 1):
        if at < len(partly) and at in unread:
            continue
        end = len(whole)
        if at < len(partly):  # a field that both read
            if whole.count(partly[at]) != 1:
                return []
            end = whole.index(partly[at])
        if not 0 <= end - place <= at - begin:
            return []
        if end - place == at - begin:
            if not _agree(partly[begin:at], whole[place:end]):
                return []
            pairs += zip(range(begin, at), range(place, end), strict=True)
        begin, place = at + 1, end + 1
    return pairs


def _agree(partly: Fields, whole: Fields) -> bool:
    """Tell whether what was read of fields is what they are."""
    return all(
        name in {None, true_name} and value in {None, true_value}
        for (name, value), (true_name, true_value) in zip(partly, whole, strict=True)
    )
