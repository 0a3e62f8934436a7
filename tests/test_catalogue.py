"""The catalogue: each template is itself again, literal before variable, versions, prefixes, callbacks, masks."""

import re
from itertools import combinations, groupby
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.body import Callback
from collector.callbacks import Callbacks
from collector.catalogue import Catalogue, Match, segments_of
from collector.masking import masked, masked_segment
from schemas.sbi.make_operations import lines
from schemas.sbi.operations import FILE, Operation, operations

CATALOGUE = Catalogue()
CALLBACKS = Callbacks()
REQUESTS = [one for one in operations() if one.callback is None]
REFERENCE = Path(__file__).parent.parent.parent / "shared" / "reference" / "sbi_operations.csv"
UUID = "8f2c1d1e-0000-4000-8000-000000000001"
SUPI = "imsi-001010000000001"


def find(method: str | None, path: str) -> Match:
    """Ask the catalogue as the collector does."""
    return CATALOGUE.find(method, path)


def uri(operation: Operation, template: str | None = None) -> str:
    """Return the template with its API's name and version."""
    start = f"/{operation.service}/{operation.api_version}" if operation.api_version else ""
    return start + (template or operation.path_template)


def test_the_whole_scope_is_there() -> None:
    assert len(operations()) == 1_130
    assert (len(REQUESTS), len({one.service for one in operations()})) == (947, 150)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference table is not here")
def test_the_table_is_what_its_generator_makes() -> None:
    assert FILE.read_text().splitlines() == lines(REFERENCE)


def test_each_template_is_itself_again_with_its_method() -> None:
    for one in REQUESTS:
        match = find(one.method, uri(one))
        assert (match.service, match.resource, match.operation, match.operation_id, match.producer_nf) == (
            one.service, one.path_template, one.service_operation, one.operation_id, one.producer_nf,
        )  # fmt: skip
        assert (match.operation_source, match.api_version) == ("catalogue", one.api_version or None)


def test_ambiguous_templates_go_to_the_literal_at_the_first_difference() -> None:
    pairs = 0
    key = lambda one: (one.service, one.api_version)  # noqa: E731
    for _, api in groupby(sorted(REQUESTS, key=key), key):
        every = {one.path_template: one for one in api}
        for a, b in combinations(every, 2):
            both = common(a, b)
            if both is not None:
                pairs += 1
                inner = [one for one in every if one not in (a, b) and fits(one, both)]
                first = min([a, b, *inner], key=lambda one: [part[0] == "{" for part in segments_of(one)])
                assert find("GET", uri(every[a], both)).resource == first, both
    assert pairs == 125


def common(a: str, b: str) -> str | None:
    """Return a path that both templates match, None if there is none."""
    parts_a, parts_b = segments_of(a), segments_of(b)
    if len(parts_a) != len(parts_b):
        return None
    parts = []
    for one, other in zip(parts_a, parts_b, strict=True):
        if one[0] != "{" and other[0] != "{" and one != other:
            return None
        literal = one if one[0] != "{" else other
        parts.append(literal if literal[0] != "{" else "x1")
    return "/" + "/".join(parts)


def fits(template: str, path: str) -> bool:
    """Tell whether a template matches a path."""
    return common(template, path) == path


LITERALS = sorted({part for one in REQUESTS for part in segments_of(one.path_template) if part[0] != "{"})
APIS = sorted({(one.service, one.api_version) for one in REQUESTS if one.api_version})
PARTS = st.sampled_from([*LITERALS, SUPI, "7", "", "%2F", "é", "V2", "nudm-sdm"]) | st.text(max_size=5)


def by_looking_at_all(path: str) -> tuple[str, str | None] | None:
    """Return service and template of a path, the obvious way: every template held against it."""
    parts = segments_of(path)
    for at in range(min(len(parts) - 1, 8)):
        api = next(((name, version) for name, version in APIS if name.lower() == ascii_lower(parts[at])), None)
        if api and re.fullmatch("[vV][0-9]{1,4}", parts[at + 1]):
            known = [one.path_template for one in REQUESTS if (one.service, one.api_version) == api]
            fitting = [one for one in known if fits_literally(one, parts[at + 2 :])]
            return api[0], min(fitting, key=lambda one: [part[0] == "{" for part in segments_of(one)], default=None)
    return None


def ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def fits_literally(template: str, parts: tuple[str, ...]) -> bool:
    wanted = segments_of(template)
    return len(wanted) == len(parts) and all(a[0] == "{" or a == b for a, b in zip(wanted, parts, strict=True))


@given(
    st.lists(PARTS, max_size=3),
    st.sampled_from(APIS),
    st.sampled_from(["v1", "v2", "V1", "v01", "v77", "v12345", "x"]),
    st.lists(PARTS, max_size=5),
    st.sampled_from(["", "?", "?a=/nudm-sdm/v2/x"]),
)
@example([], ("nudm-sdm", "v2"), "v2", ["x"] * 9, "")
def test_the_tables_say_what_a_look_at_every_template_says(
    prefix: list[str], api: tuple[str, str], version: str, parts: list[str], query: str
) -> None:
    path = "/" + "/".join([*prefix, api[0], version, *parts]) + query
    truth, match = by_looking_at_all(path), find("GET", path)
    if truth is None:
        assert match.service in (None, "oauth2", "bootstrapping")
    else:
        assert (match.service, match.resource if match.operation_source != "unknown_resource" else None) == truth


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", f"/namf-comm/v1/ue-contexts/{SUPI}/n1-n2-messages", "Namf_Communication_N1N2MessageTransfer"),
        ("POST", "/pre/fix/namf-comm/v1/ue-contexts/5g-guti-x/transfer", "Namf_Communication_UEContextTransfer"),
        ("GET", f"/nudm-sdm/v2/{SUPI}/nssai?plmn-id=%7B%22mcc%22%3A%22001%22%7D", "Nudm_SDM_Get"),
        ("DELETE", "/nudm-sdm/v2/shared-data-subscriptions/7", "Nudm_SDM_Unsubscribe"),
        ("POST", "/nnssf-nssaiavailability/v1/nssai-availability/subscriptions",
         "Nnssf_NSSAIAvailability_Subscribe"),
        ("PUT", f"/nnssf-nssaiavailability/v1/nssai-availability/{UUID}", "Nnssf_NSSAIAvailability_Update"),
        ("POST", "/npcf-policyauthorization/v1/app-sessions/pcscf-restoration",
         "Npcf_PolicyAuthorization_PcscfRestoration"),
        ("PATCH", f"/nnrf-nfm/v1/nf-instances/{UUID}", "Nnrf_NFManagement_NFUpdate"),
        ("PUT", "/nausf-auth/v1/ue-authentications/12/5g-aka-confirmation",
         "Nausf_UEAuthentication_Authenticate(5G-AKA confirmation)"),
        ("POST", "/nsmf-pdusession/v1/sm-contexts/urn%3Auuid%3A1%2F2/modify", "Nsmf_PDUSession_UpdateSMContext"),
        ("POST", "/NSMF-PDUSession/v1/sm-contexts/", "Nsmf_PDUSession_CreateSMContext"),
        ("POST", "//nchf-convergedcharging/v3/chargingdata/9/update", "Nchf_ConvergedCharging_Update"),
        ("POST", "/oauth2/token", "Nnrf_AccessToken_Get"),
        ("POST", "/nrf/oauth2/token", "Nnrf_AccessToken_Get"),
        ("GET", "/bootstrapping", "Nnrf_Bootstrapping_Get"),
    ],
)  # fmt: skip
def test_paths_as_they_are_met(method: str, path: str, operation: str) -> None:
    match = find(method, path)
    assert (match.operation, match.operation_source) == (operation, "catalogue")


@pytest.mark.parametrize(
    ("path", "version", "operation"),
    [
        ("/nudr-dr/v1/subscription-data/imsi-00101/authentication-data/authentication-subscription", "v1",
         "Nudr_DM_Query"),
        ("/nudm-sdm/v1/imsi-00101/am-data", "v1", "Nudm_SDM_Get"),
        ("/nudm-sdm/v77/imsi-00101/am-data", "v77", "Nudm_SDM_Get"),
    ],
)  # fmt: skip
def test_an_unknown_major_version_goes_to_the_nearest_and_says_so(path: str, version: str, operation: str) -> None:
    match = find("GET", path)
    assert (match.operation, match.api_version, match.operation_source) == (operation, version, "nearest_version")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("PUT", f"/nudm-ueau/v1/{SUPI}/auth-events", ("nudm-ueau", "/{supi}/auth-events", "method_not_in_api")),
        ("PUT", "/nudm-sdm/v1/imsi-1234567/am-data", ("nudm-sdm", "/{supi}/am-data", "method_not_in_api")),
        ("GET", f"/nudm-sdm/v2/{SUPI}/foo/7", ("nudm-sdm", "/{supi}/foo/{number}", "unknown_resource")),
        ("POST", f"/callback/{UUID}/notify", (None, "/callback/{uuid}/notify", "unknown_resource")),
        ("GET", "/", (None, "/", "unknown_resource")),
        ("GET", "/oauth2/v1/token", (None, "/oauth2/v1/token", "unknown_resource")),
        (None, f"/nudm-sdm/v2/{SUPI}/am-data", ("nudm-sdm", "/{supi}/am-data", "catalogue")),
    ],
)
def test_what_is_not_in_the_catalogue_has_no_operation(
    method: str | None, path: str, said: tuple[str | None, str, str]
) -> None:
    match = find(method, path)
    assert (match.service, match.resource, match.operation_source) == said
    assert (match.operation, match.operation_id) == (None, None)


def test_masking_leaves_the_words_of_the_apis() -> None:
    literals = {part for one in REQUESTS for part in segments_of(one.path_template) if part[0] != "{"}
    assert {part for part in literals if masked_segment(part) != part} == set()


@pytest.mark.parametrize(
    ("segment", "shown"),
    [
        (SUPI, "{supi}"), ("nai-somebody@example.org", "{supi}"), ("suci-0-999-70-0-0-0-0000021309", "{suci}"),
        ("msisdn-491701234567", "{gpsi}"), ("imei-490154203237518", "{pei}"), ("de-ad-be-ef-aa-bb", "{pei}"),
        ("de-ad-be-ef-70-08", "{pei}"), ("00:11:22:33:44:5A", "{pei}"), ("5g-guti-99970cafe0000000001", "{guti}"),
        (UUID, "{uuid}"), (f"urn:uuid:{UUID}", "{uuid}"), ("12", "{number}"), ("20893cafe0000000001", "{id}"),
        ("deadbeef", "{id}"), ("a%40b", "{id}"), ("x" * 41, "{id}"), ("sm-context-status", "sm-context-status"),
    ],
)  # fmt: skip
def test_identifiers_are_masked(segment: str, shown: str) -> None:
    assert masked_segment(segment) == shown


@given(st.lists(st.text(min_size=1), max_size=40))
def test_a_masked_path_is_short_and_its_digits_few(segments: list[str]) -> None:
    path = masked(segments)
    assert len(path) <= 13 * 42
    assert not any(part.isdigit() for part in path.split("/"))


@given(st.text(), st.text())
def test_any_path_finds_something(method: str, path: str) -> None:
    match = find(method, path)
    assert match.operation_source is not None
    assert match.resource is not None


def test_each_value_of_the_callback_header_is_known() -> None:
    for one in operations():
        if one.callback is not None:
            match = CALLBACKS.by_header(one.callback.upper() + "; apiversion=4", ("n",), None)
            assert match is not None
            assert (match.service, match.api_version, match.operation_source) == (one.service, "v4", "callback_header")
            assert match.is_callback
    assert CALLBACKS.by_header("Nobody_Knows_This", ("n",), None) is None


def test_a_callback_uri_is_learned_with_its_suffixes() -> None:
    callbacks = Callbacks()
    parent = find("POST", "/npcf-smpolicycontrol/v1/sm-policies")
    where = Callback("notificationUri", "http://smf1:8080/any/thing/7")
    callbacks.learn(parent, "POST", [where], "SMF", 5)
    for path, operation in (
        ("/any/thing/7/update", "Npcf_SMPolicyControl_UpdateNotify"),
        ("/any/thing/7/terminate", "Npcf_SMPolicyControl_UpdateNotify(terminate)"),
    ):
        found = callbacks.learned("smf1:8080", path, segments_of(path), "POST", 6)
        assert found is not None
        assert (found[0].operation, found[0].operation_source, found[1]) == (operation, "callback_learned", "SMF")
    for authority, path in (("smf2:8080", "/any/thing/7/update"), ("smf1:8080", "/any/thing/8/update")):
        assert callbacks.learned(authority, path, segments_of(path), "POST", 6) is None
    assert callbacks.learned("smf1:8080", "/any/thing/7/update", ("update",), "POST", 3 * 86_400_000_000) is None


def test_a_callback_has_its_method() -> None:
    """SBI.md 3.1: a wrong method is said to be one, not taken for the operation."""
    callbacks = Callbacks()
    where = Callback("notificationUri", "http://smf1:8080/any/thing/7")
    callbacks.learn(find("POST", "/npcf-smpolicycontrol/v1/sm-policies"), "POST", [where], "SMF", 5)
    path, update = "/nnrf-nfm/v1/nf-status-notify", "/any/thing/7/update"
    for method in ("GET", "DELETE", "post"):
        assert callbacks.by_shape(segments_of(path), method) is None
        assert callbacks.learned("smf1:8080", update, segments_of(update), method, 6) is None
        assert callbacks.by_header("Nudm_SDM_Notification", ("n",), method) is None
    assert callbacks.by_header("Nudm_SDM_Notification", ("n",), "POST") is not None
    assert callbacks.by_shape(segments_of(path), None) is not None  # it was not read


def test_what_is_no_callback_of_its_request_is_not_learned() -> None:
    callbacks = Callbacks()
    callbacks.learn(find("POST", "/oauth2/token"), "POST", [Callback("notificationUri", "http://x:1/y")], None, 1)
    callbacks.learn(
        find("POST", "/npcf-smpolicycontrol/v1/sm-policies"), "POST", [Callback("notificationUri", "urn:x")], None, 1
    )
    assert callbacks.learned("x:1", "/y", ("y",), "POST", 2) is None


@pytest.mark.parametrize(
    ("path", "operation", "source_nf"),
    [
        (f"/namf-callback/v1/{SUPI}/sm-context-status/5", "Nsmf_PDUSession_SMContextStatusNotify", "SMF"),
        ("/nnrf-nfm/v1/nf-status-notify", "Nnrf_NFManagement_NFStatusNotify", "NRF"),
        (f"/namf-callback/v1/{SUPI}/dereg-notify", "Nudm_UECM_DeregistrationNotification", "UDM"),
    ],
)
def test_shapes_of_known_cores(path: str, operation: str, source_nf: str) -> None:
    match = CALLBACKS.by_shape(segments_of(path), "POST")
    assert match is not None
    assert (match.operation, match.producer_nf, match.operation_source) == (operation, source_nf, "vendor_shape")
    assert CALLBACKS.by_shape(segments_of(path + "/more"), "POST") is None
