"""schemas/nf_roles.yaml: what is judged are services of the catalogue, and no procedure of 3GPP is outside a role."""

from collections.abc import Iterator

import pytest
import yaml

from collector.network_function import NF_TYPES
from schemas.sbi.operations import operations
from streams.alert_rules import ROLES, is_outside
from streams.procedure_kinds import FILE as PROCEDURES

ALLOWED: dict[str, list[str]] = yaml.safe_load(ROLES.read_text())


def service_of(operation: str) -> str:
    return "_".join(operation.split("_")[:2])


def test_every_service_is_one_of_the_catalogue_and_every_type_one_of_3gpp() -> None:
    known = {service_of(one.service_operation) for one in operations() if one.service_operation}
    assert ALLOWED.keys() - known == set()
    assert {one for types in ALLOWED.values() for one in types} <= NF_TYPES


def test_who_calls_back_is_inside_its_role() -> None:
    """A callback is asked by the producer: all services that have one allow it."""
    for one in operations():
        if one.callback and one.service_operation:
            assert not is_outside(one.service_operation, one.producer_nf), one


def steps() -> Iterator[tuple[str, str]]:
    """Yield (operation, NF type that asks) of each step of the procedures of TS 23.502."""
    for kind in yaml.safe_load(PROCEDURES.read_text()).values():
        for step in kind["steps"].values():
            for operation in [step["operation"]] if isinstance(step["operation"], str) else step["operation"]:
                for asks in [step["from"]] if isinstance(step.get("from"), str) else step.get("from", []):
                    yield operation, asks


def test_no_step_of_a_procedure_is_outside_a_role() -> None:
    found = list(steps())
    assert len({service_of(operation) for operation, _ in found} & ALLOWED.keys()) >= 9
    assert [one for one in found if is_outside(*one)] == []


# (operation, NF type, whether it is none of its business), after the clause
TABLE = [
    ("Nausf_UEAuthentication_Authenticate", "AMF", False),  # TS 33.501 6.1.3
    ("Nausf_UEAuthentication_Authenticate", "NSWOF", False),  # TS 33.501 annex S
    ("Nausf_UEAuthentication_Authenticate", "SMF", True),
    ("Nausf_SoRProtection_Protect", "AMF", True),  # TS 33.501 6.14: the UDM alone
    ("Nudm_UEAuthentication_Get", "AUSF", False),
    ("Nudm_UEAuthentication_Get", "AMF", True),  # vectors go to the home's AUSF, TS 33.501 6.1.2
    ("Nudm_UECM_Registration", "SMSF", False),
    ("Nudm_UECM_SendRoutingInfoForSM", "SMS_GMSC", False),  # TS 23.540 5.1
    ("Nudm_UECM_Registration", "AUSF", True),
    ("Nsmsf_SMService_MtForwardSm", "SMS_GMSC", False),  # TS 23.540 5.1
    ("Nsmsf_SMService_Activate", "SMF", True),
    ("Nudr_DM_Query", "PCF", False),
    ("Nudr_DM_Query", "AMF", True),  # TS 23.501 4.2.5: UDM, PCF, NEF
    ("Nudr_DM_Query", "SCP", False),
    ("Nsmf_PDUSession_CreateSMContext", "AMF", False),
    ("Nsmf_PDUSession_Create", "SMF", False),  # of a visited network
    ("Nsmf_PDUSession_ReleaseSMContext", "AF", True),
    ("Npcf_SMPolicyControl_Create", "AMF", True),
    ("Npcf_UEPolicyControl_Create", "PCF", False),  # of a visited network
    ("Nchf_SpendingLimitControl_Subscribe", "SMF", True),
    ("Nchf_ConvergedCharging_Create", "SMF", False),  # not judged: many ask
    ("Nnssaaf_NSSAA_Authenticate", "AUSF", True),
    ("Nnssaaf_AIW_Authenticate", "AUSF", False),
    ("N5g-eir_EquipmentIdentityCheck_Get", "SMF", True),
    ("Nnrf_NFDiscovery_Request", "AF", False),  # not judged
    (None, "AF", False),
    ("Nudr_DM_Query", None, False),
]


@pytest.mark.parametrize(("operation", "asks", "wanted"), TABLE)
def test_who_may_ask_for_what(operation: str | None, asks: str | None, wanted: bool) -> None:
    assert is_outside(operation, asks) is wanted
