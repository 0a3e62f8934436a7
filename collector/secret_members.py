"""What never leaves the node, by the name of the JSON member (DESIGN 7): one list for captured bodies and for tests."""

import re

# Authentication vectors, keys and what they are derived from, counters that date them (TS 29.503, 29.505, 29.509,
# 29.518, 29.535, 29.555, 29.573, TS 33.501, 33.503, 33.535), tokens (RFC 6749, 7523), payloads (NAS, SMS, EAP, LPP).
_MEMBERS = """
5gauthdata 5gakaconfirmation authenticationvector authenticationvectors 3gaka eapakaprime 5gheaka
rand auts autn xres xresstar hxresstar hresstar resstar res ck ik ckprime ikprime cksrvcc iksrvcc kasme
kausf kseaf kamf keyamf keyamfs kamfprime kgnb kngnb kn3iwf ktngf ktwif ktnap knh nh seafdata ngksi ncc keyval
knasint knasenc krrcint krrcenc kupint kupenc
kakma kaf akid akmakey 5gpruk 5gprukid knrprose knr_prose pruk prukid cpprukid upprukid prosekey puzzle
authenticationsubscription encpermanentkey enckey encopckey enctopckey permanentkey permanentkeyvalue
opc opcvalue op opvalue topc topcvalue milenage tuak
sequencenumber sqn sqnms sqnhe lastindexes difsign indlength authenticationmanagementfield amf_field
protectionparameterid resynchronizationinfo
sormaciausf sorxmacisue sorxmacisueue sorxmaciue sormacieu countersor ackind upumaciausf upuxmaciue counterupu
steeringcontainer sordata securedpacket provisioneddata upudata uparameters
eappayload eapmessage eapidrsp eapid msk emsk sessionkey securitykey keymaterial keyinfo keydata keylist key keys
psk presharedkey ha1 digestauth digestrealm digestha1 sipauthenticate sipauthorization sipauthdatalist integritykey
confidentialitykey gbakey ksnaf ksint ksext btid uss masterkey mastersessionkey mbskey mbssecuritycontext mtk mikey
accesstoken access_token refreshtoken refresh_token idtoken id_token token tokens jwt jws jwe jwk jwks
clientassertion client_assertion clientsecret client_secret password passwd secret credentials clientcredentials
authorization bearer certificate certificates privatekey cipherkey encryptionkey macaddressKey
reformatteddata datatointegrityprotectandcipherblock datatointegrityprotectblock modificationsblock encblockindex
n1smmsg n1smmsgtoue n1message n1msg nasmessage nasmsg naspdu uenascontainer ulnastransport dlnastransport n1content
sms smspayload smsmsg smsdata shortmessage rpdata tpdu messagepayload payload
lppmessage lcsmessage n1lppmsg nrppapdu uplinkdata downlinkdata mosms mtsms nidddata extbuffereddata
n2smmsg ngapdata binarydataue ueradiocapability
"""
# Where a user is (TS 29.571 5.4.4.7 UserLocation; TS 29.572), also as seen by trusted or untrusted access.
_PLACES = """
tai tais tac taclist tailist ncgi ncgis ecgi ecgis cgi sai lai rai cellid nrcellid eutracellid ecgilist ncgilist
globalgnbid globalngenbid globalenbid globalranodeid gnbid ngenbid enbid
geographicalinformation geodeticinformation geographicarea geographicareas civicaddress shape point longitude latitude
altitude velocity velocityestimate positioningdata trajectory uepos areaofinterest presenceinarea ageoflocationinfo
praid pralist praids trackingarearid visitedtailist
"""
_OTHERS = """
detail
"""
MEMBERS = frozenset((_MEMBERS + _PLACES + _OTHERS).lower().split())
# Members whose name tells, however it goes on: userLoc, ueLocationTimestamp, addUserLocationInfo, kAusfEncrypted …
_TELLING = re.compile(
    r"(?:^|[^l])(?:location)|userloc|ueloc|(?:secret|passw|token|credential|privatekey|permanentkey|mackey)|authvector|"
    r"(?:enc|opc?|topc|ausf|seaf|amf|gnb|akma|prose|session|cipher|integrity|confidentiality|public|master|shared)key$",
    re.IGNORECASE,
)
_HARMLESS = frozenset({"accesstokenerror", "accesstokenrequest", "allocation"})


def is_secret(member: str) -> bool:
    """Tell whether the value of a JSON member must not leave the node, by its name in any spelling."""
    low = member.lower().replace("-", "").replace("_", "")
    return (low in MEMBERS or member.lower() in MEMBERS or bool(_TELLING.search(low))) and low not in _HARMLESS


# A text that may be key material wherever it stands: 12 or more hex digits that are no UUID, a signed or encrypted
# token, base64 of 16 octets and more.
_OPAQUE = re.compile(
    r"[0-9a-fA-F]{12,}|eyJ[\w-]*\.[\w.-]+|(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+/_-]{20,}={0,2}|"
    r"[A-Za-z0-9+/]{20,}={1,2}"
)


def is_opaque(text: str) -> bool:
    """Tell whether a text looks like key material or an encoded payload."""
    return _OPAQUE.fullmatch(text) is not None
