"""Which words inside a 2xx tell of a failure, whatever the status says (SBI.md 9).

Only what is known to be one counts: an enumeration of 3GPP may be extended, and what is new need not be bad.
"""

NO_NF_FOUND = "NO_NF_FOUND"  # nnrf-disc: a result without instances (TS 29.510 6.2.6.2.2)
ONLY_REJECTED_NSSAI = (
    "ONLY_REJECTED_NSSAI"  # nnssf-nsselection: nothing allowed, nothing selected (TS 29.531 6.1.6.2.2)
)
CHARGING_ERROR = "CHARGING_ERROR"  # nchf: an error, or a code that is neither SUCCESS nor known

# ResultCode and the causes of an InvocationResult (TS 32.291 6.1.6.3.14, 6.1.7.3).
OF_CHARGING = frozenset({
    "END_USER_SERVICE_DENIED", "END_USER_SERVICE_REJECTED", "QUOTA_LIMIT_REACHED", "QUOTA_MANAGEMENT_NOT_APPLICABLE",
    "RATING_FAILED", "USER_UNKNOWN", "CHARGING_FAILED", "CHARGING_NOT_APPLICABLE", "END_USER_REQUEST_DENIED",
    "END_USER_REQUEST_REJECTED", "RE_AUTHORIZATION_FAILED", CHARGING_ERROR,
})  # fmt: skip
FAILURES = OF_CHARGING | {
    "AUTHENTICATION_FAILURE",  # AuthResult (TS 29.509 6.1.6.3.3)
    "EAP_FAILURE",  # AuthStatus (TS 29.526 6.1.6.3.2)
    "N1_MSG_NOT_TRANSFERRED", "N2_MSG_NOT_TRANSFERRED",  # N1N2MessageTransferCause (TS 29.518 6.1.6.3.6)
    "SMS_DELIVERY_FAILED",  # SmsDeliveryStatus (TS 29.540 6.1.6.3.4)
    NO_NF_FOUND, ONLY_REJECTED_NSSAI,
}  # fmt: skip
FAIL = "_FAIL"  # so ends what fails of N2SmInfoType (TS 29.502 6.1.6.3.10) and of a UAV's AuthResult (TS 29.256)


def is_failure(word: str) -> bool:
    """Tell whether a verdict inside a 2xx is one of failure."""
    return word in FAILURES or word.endswith(FAIL)
