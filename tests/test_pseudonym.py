"""Pseudonyms: their form, what counts as the same subscriber, keys and where they come from."""

import hmac
import re
import stat
from base64 import b32decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.identifier_grammar import canonical
from collector.pseudonym import Pseudonyms, is_pseudonym, plmns_of
from collector.pseudonym_key import key_of, pseudonyms_of
from deploy.cli import main
from schemas.config import Collector
from schemas.refusal import Refusal

KEY = bytes(range(32))
NAMES = Pseudonyms(KEY, "k1", {"99970", "310410"})


@pytest.mark.parametrize(
    ("identifier", "form"),
    [
        ("imsi-999700000021309", "imsi-99970-k1-"),
        ("imsi-310410123456789", "imsi-310410-k1-"),
        ("imsi-310411123456789", "imsi-310-k1-"),
        ("imsi-2089300007487", "imsi-208-k1-"),
        ("208950000000031", "imsi-208-k1-"),
        ("suci-0-999-70-0-1-1-b2e92f", "suci-99970-k1-"),
        ("suci-1-example.org-0-1-1-b2e92f", "suci-k1-"),
        ("nai-alice@example.org", "nai-k1-"),
        ("gci-00-1a", "gci-k1-"),
        ("gli-00-1a", "gli-k1-"),
        ("msisdn-491725670014", "msisdn-k1-"),
        ("extid-meter7@example.org", "extid-k1-"),
        ("imei-123456789012345", "imei-k1-"),
        ("imeisv-8665070400405301", "imeisv-k1-"),
        ("mac-00-11-22-33-44-55", "mac-k1-"),
        ("5g-guti-99970020040c0000a1b", "5g-guti-99970-k1-"),
        ("impi-alice@ims.example.org", "impi-k1-"),
        ("impu-sip:alice@ims.example.org", "impu-k1-"),
        ("ipv4-10.45.0.7", "ipv4-k1-"),
        ("ipv6-2001:db8:cafe:10::/64", "ipv6-k1-"),
        ("whatever", "id-k1-"),
    ],
)
def test_form(identifier: str, form: str) -> None:
    name = NAMES.of(identifier)
    assert name.startswith(form)
    code = name.removeprefix(form)
    assert re.fullmatch("[a-z2-7]{26}", code)
    true = hmac.new(KEY, canonical(identifier).encode(), "sha256").digest()[:16]
    assert b32decode(code.upper() + "======") == true


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("imsi-999700000021309", "suci-0-999-70-0-0-0-0000021309"),
        ("imsi-999700000021309", "suci-0-999-70-0000-0-0-0000021309"),
        ("imsi-999700000021309", "999700000021309"),
        ("imsi-310410123456789", "suci-0-310-410-12-0-0-123456789"),
        ("nai-alice@example.org", "suci-1-example.org-0-0-0-alice"),
        ("msisdn-491725670014", "msisdn-+491725670014"),
        ("msisdn-491725670014", "+491725670014"),
        ("msisdn-491725670014", "tel:+49-172-567.0014"),
        ("msisdn-491725670014", "impu-tel:+49 (172) 5670014"),
        ("imeisv-8665070400405301", "8665070400405301"),
        ("mac-00-11-22-33-44-5a", "MAC-00:11:22:33:44:5A"),
        ("mac-00-11-22-33-44-5a", "mac-00112233445a"),
        ("eui-00-11-22-33-44-55-66-77", "mac-00:11:22:33:44:55:66:77"),
        ("5g-guti-99970020040c0000a1b", "5g-guti-99970020040C0000A1B"),
        ("5g-guti-99970020040c0000a1b", "99970020040c0000a1b"),
        ("ipv6-2001:db8::1", "ipv6-2001:0DB8:0::1"),
        ("ipv4-10.45.0.7", "ipv4-10.45.0.7/32"),
    ],
)
def test_two_spellings_are_one_subscriber(one: str, other: str) -> None:
    assert NAMES.of(one) == NAMES.of(other)


def test_equal_across_agents_with_one_key_and_different_across_keys() -> None:
    again, other = Pseudonyms(KEY, "k1", {"99970"}), Pseudonyms(KEY[::-1], "k1", {"99970"})
    whole = "imsi-999700000021309"
    assert again.of(whole) == NAMES.of(whole)
    assert other.of(whole) != NAMES.of(whole)
    assert Pseudonyms(KEY, "k2", {"99970"}).of(whole) == NAMES.of(whole).replace("-k1-", "-k2-")


@given(st.from_regex(r"imsi-[0-9]{5,15}", fullmatch=True), st.from_regex(r"imsi-[0-9]{5,15}", fullmatch=True))
def test_no_two_subscribers_share_a_pseudonym(one: str, other: str) -> None:
    assert (NAMES.of(one) == NAMES.of(other)) == (one == other)


@given(st.text())
def test_any_text_has_a_pseudonym(text: str) -> None:
    assert len(NAMES.of(text)) < 60


def test_plain_identifiers_are_canonical() -> None:
    assert Pseudonyms(None).of("suci-0-999-70-0-0-0-0000021309") == "imsi-999700000021309"


@pytest.mark.parametrize("key", [b"", b"k" * 31])
def test_a_short_key_is_refused(key: bytes) -> None:
    with pytest.raises(Refusal, match="too short"):
        Pseudonyms(key)


@pytest.mark.parametrize("key_id", ["", "K1", "k-1", "k" * 17])
def test_a_key_id_is_a_name(key_id: str) -> None:
    with pytest.raises(Refusal, match="key_id"):
        Pseudonyms(KEY, key_id)


def test_plmns() -> None:
    assert plmns_of("99970, 310-410;20893") == {"99970", "310410", "20893"}
    assert plmns_of("") == frozenset()
    with pytest.raises(Refusal, match="9997x"):
        plmns_of("9997x")


def test_the_own_key_is_made_once_and_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    said: list[str] = []
    key = key_of("", said.append)
    path = tmp_path / "sbiscope" / "pseudonym.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (key_of("", said.append), len(key), list(path.parent.iterdir())) == (key, 64, [path])
    assert (len(said), str(path) in said[0], key.decode() in said[0]) == (1, True, False)


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        (b"", 0o600, "too short"),
        (b"k" * 31 + b"\n\n", 0o600, "too short"),
        (b"k" * 32, 0o604, "everybody may read"),
        (None, 0, "No such file"),
    ],
)
def test_a_bad_key_file_is_refused_in_one_line(content: bytes | None, mode: int, text: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(Refusal, match=text) as refusal:
        key_of(str(path))
    assert "\n" not in str(refusal.value)
    assert "kkkk" not in str(refusal.value)


def test_a_folder_or_a_pipe_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        key_of(str(tmp_path))


def test_a_trailing_newline_changes_nothing(tmp_path: Path) -> None:
    names = []
    for end in (b"", b"\n"):
        path = tmp_path / f"key{len(end)}"
        path.touch(mode=0o600)
        path.write_bytes(b"k" * 32 + end)
        names.append(pseudonyms_of(Collector(pseudonym_key_file=str(path))).of("imsi-999700000021309"))
    assert names[0] == names[1]


def test_the_command_maps_an_identifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_bytes(KEY.hex().encode())
    config = tmp_path / "config.toml"
    config.write_text(f'[collector]\npseudonym_key_file = "{key}"\nplmns = "99970"\n')
    assert main(["pseudonym", "--config", str(config), "imsi-999700000021309", "msisdn-491725670014"]) == 0
    names = Pseudonyms(KEY.hex().encode(), "k1", {"99970"})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [names.of("imsi-999700000021309"), names.of("msisdn-491725670014")]
    assert main(["pseudonym", "--config", str(config), "nonsense"]) == 1
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("identifier", ["imsi-999700000021309", "imsi-2089300007487", "nai-alice@example.org"])
def test_a_pseudonym_is_known_by_its_form(identifier: str) -> None:
    assert is_pseudonym(NAMES.of(identifier))
    assert not is_pseudonym(identifier)
