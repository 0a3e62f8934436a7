"""TS 28.552 counters as a measurement file: the XML of TS 32.435 (annex A), which TS 28.532 refers to for files."""

from collections import defaultdict
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from streams.report.inert import visible
from streams.report.measured import Reading, measurement_of
from streams.report.units import iso

NAMESPACE = "http://www.3gpp.org/ftp/specs/archive/32_series/32.435#measCollec"
VERSION = "32.435 V10.0"
BY_SLICE = frozenset({"SM.PduSessionCreationReq", "SM.PduSessionCreationSucc", "PA.PolicyAMAssoReq",
                      "PA.PolicyAMAssoSucc", "PA.PolicySMAssoReq", "PA.PolicySMAssoSucc"})  # fmt: skip

Values = dict[str, int]
Objects = dict[str, tuple[Values, bool]]  # by instance: its counters, and whether they are suspect


def as_measurement_file(found: Sequence[Reading], start_us: int, stop_us: int, window_s: int, release: str) -> str:
    """Return the file: an element a site, in it a block a window, kind of object and label (exact or proxy).

    A counter with .SNSSAI in its definition stands for itself and, with the slice behind its name, for each slice.
    """
    root = Element("measCollecFile", {"xmlns": NAMESPACE})
    header = SubElement(root, "fileHeader", {"fileFormatVersion": VERSION, "vendorName": "sbiscope"})
    SubElement(header, "fileSender", {"elementType": "sbiscope"})
    SubElement(header, "measCollec", {"beginTime": iso(start_us)})
    for site in sorted({one.site for one in found}):
        data = SubElement(root, "measData")
        SubElement(data, "managedElement", {"localDn": f"SubNetwork={_named(site)}", "swVersion": release})
        for (window_us, kind, label), objects in sorted(_blocks(found, site).items()):
            _block(data, window_us, window_s, f"{kind}.{label}", kind, objects)
    SubElement(SubElement(root, "fileFooter"), "measCollec", {"endTime": iso(stop_us)})
    indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _blocks(found: Sequence[Reading], site: str) -> dict[tuple[int, str, str], Objects]:
    blocks: dict[tuple[int, str, str], Objects] = defaultdict(dict)
    for one in found:
        if one.site != site:
            continue
        for name, value in one.values.items():
            measurement = measurement_of(name)
            objects = blocks[one.window_start_us, measurement.object, measurement.label]
            values, suspect = objects.get(one.producer_nf_instance or "", ({}, False))
            for each in (name, f"{name}.{one.snssai}") if one.snssai and name in BY_SLICE else (name,):
                values[each] = values.get(each, 0) + value
            objects[one.producer_nf_instance or ""] = values, suspect or one.suspect
    return blocks


def _block(data: Element, window_us: int, window_s: int, title: str, kind: str, objects: Objects) -> None:
    block = SubElement(data, "measInfo", {"measInfoId": title})
    period = {"duration": f"PT{window_s}S", "endTime": iso(window_us + window_s * 1_000_000)}
    SubElement(block, "granPeriod", period)
    SubElement(block, "repPeriod", {"duration": f"PT{window_s}S"})
    names = sorted({name for values, _ in objects.values() for name in values})
    for place, name in enumerate(names, 1):
        SubElement(block, "measType", {"p": str(place)}).text = visible(name)
    for instance, (values, suspect) in sorted(objects.items()):
        value = SubElement(block, "measValue", {"measObjLdn": f"{kind}={_named(instance or 'not known')}"})
        for place, name in enumerate(names, 1):
            SubElement(value, "r", {"p": str(place)}).text = str(values.get(name, 0))
        if suspect:
            SubElement(value, "suspect").text = "true"


def _named(text: str) -> str:
    """Return text as the value of a distinguished name: what separates its parts is escaped (TS 32.300, RFC 4514)."""
    return "".join(f"\\{one}" if one in ',+"\\<>;=' else one for one in visible(text))
