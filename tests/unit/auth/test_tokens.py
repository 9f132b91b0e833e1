"""Tokens that were not made here, or not for this: none is taken."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from farmgate.app.secrets import load_secrets, rotate_signing_key
from farmgate.app.settings import SettingsError
from farmgate.auth.tokens import Rights, SigningKeyError, Subject, Tokens
from farmgate.errors import DomainError
from farmgate.ports.clock import FakeClock

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
SUBJECT = Subject(user_id=ULID, session_id=ULID, session_version=1)
RIGHTS = Rights(role="FARMER", kyc_level=1, account_id=None, account_number=None)
CLOCK = FakeClock()


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


OURS, THEIRS, SMALL = rsa_key(), rsa_key(), rsa_key(1024)


def tokens(signing: bytes, other: bytes | None = None, **given: Any) -> Tokens:
    values = {"issuer": "farmgate", "audience": "farmgate", "access_ttl_s": 900, "clock": CLOCK}
    return Tokens(signing, other, **{**values, **given})


TOKENS = tokens(private_pem(OURS))
GOOD = TOKENS.access(SUBJECT, RIGHTS, ULID)
HEADER = {key: jwt.get_unverified_header(GOOD)[key] for key in ("kid", "typ")}
CLAIMS = jwt.decode(GOOD, options={"verify_signature": False})


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(
    *, without: str = "", header: dict[str, Any] | None = None, key: Any = OURS, alg: str = "RS256",
    **claims: Any,
) -> str:  # fmt: skip
    """Returns a token like the good one but for what is told."""
    told = {name: value for name, value in {**CLAIMS, **claims}.items() if name != without}
    return jwt.encode(told, key, algorithm=alg, headers={**HEADER, **(header or {})})


def part(claims: dict[str, Any]) -> str:
    return text(json.dumps(claims).encode())


def by_small_key() -> str:
    """Returns a token that a library of ours would not sign."""
    head = part({**HEADER, "alg": "RS256"})
    signature = SMALL.sign(f"{head}.{PAYLOAD}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{PAYLOAD}.{text(signature)}"


def macced(alg: str, secret: bytes, digest: Any) -> str:
    """Returns a token that is authenticated by a secret everybody knows."""
    from hmac import digest as mac  # noqa: PLC0415 - Only here.

    head = text(json.dumps({**HEADER, "alg": alg}).encode())
    payload = GOOD.split(".")[1]
    return f"{head}.{payload}.{text(mac(secret, f'{head}.{payload}'.encode(), digest))}"


def bare(alg: str) -> str:
    head = text(json.dumps({**HEADER, "alg": alg}).encode())
    return f"{head}.{GOOD.split('.')[1]}."


def certificate() -> str:
    """Returns a certificate of the forger's key, as x5c carries it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "forger")])
    now = CLOCK.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(THEIRS.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(THEIRS, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)


HEAD, PAYLOAD, SIGNATURE = GOOD.split(".")
FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: bare("none"),
    "alg None": lambda: bare("None"),
    "alg nOnE": lambda: bare("nOnE"),
    "alg empty": lambda: bare(""),
    "no signature": lambda: f"{HEAD}.{PAYLOAD}.",
    "HS256 by the public key": lambda: macced("HS256", public_pem(OURS), "sha256"),
    "HS384 by the public key": lambda: macced("HS384", public_pem(OURS), "sha384"),
    "HS512 by the public key": lambda: macced("HS512", public_pem(OURS), "sha512"),
    "HS256 by the JWK": lambda: macced("HS256", json.dumps(jwk(OURS)).encode(), "sha256"),
    "HS256 by the key set": lambda: macced("HS256", TOKENS.jwks, "sha256"),
    "HS256 by the key's name": lambda: macced("HS256", HEADER["kid"].encode(), "sha256"),
    "HS256 by nothing": lambda: macced("HS256", b"", "sha256"),
    "RS384 by our key": lambda: signed(alg="RS384"),
    "RS512 by our key": lambda: signed(alg="RS512"),
    "PS256 by our key": lambda: signed(alg="PS256"),
    "ES256": lambda: signed(key=ec.generate_private_key(ec.SECP256R1()), alg="ES256"),
    "EdDSA": lambda: signed(key=ed25519.Ed25519PrivateKey.generate(), alg="EdDSA"),
    "another key": lambda: signed(key=THEIRS),
    "RSA of 1024 bits": by_small_key,
    "kid of nobody": lambda: signed(header={"kid": "nobody"}),
    "kid empty": lambda: signed(header={"kid": ""}),
    "kid a path": lambda: signed(header={"kid": "../../dev/null"}),
    "kid SQL": lambda: signed(header={"kid": "' OR 1=1 --"}),
    "jku": lambda: signed(key=THEIRS, header={"jku": "http://127.0.0.1:1/jwks.json"}),
    "x5u": lambda: signed(key=THEIRS, header={"x5u": "http://127.0.0.1:1/chain.pem"}),
    "x5c": lambda: signed(key=THEIRS, header={"x5c": [certificate()]}),
    "jwk": lambda: signed(key=THEIRS, header={"jwk": jwk(THEIRS)}),
    "jwk and its own kid": lambda: signed(key=THEIRS, header={"jwk": jwk(THEIRS), "kid": "x"}),
    "typ JWT": lambda: signed(header={"typ": "JWT"}),
    "typ missing": lambda: signed(header={"typ": None}),
    "typ of a ticket": lambda: signed(header={"typ": "stream-ticket+jwt"}),
    "crit": lambda: signed(header={"crit": ["exp"]}),
    **{f"without {name}": (lambda name=name: signed(without=name))
       for name in ("iss", "aud", "sub", "sid", "sv", "iat", "exp", "jti")},
    "foreign issuer": lambda: signed(iss="elsewhere"),
    "issuer in a list": lambda: signed(iss="farmgate "),
    "foreign audience": lambda: signed(aud="elsewhere"),
    "extra audience": lambda: signed(aud=["farmgate", "elsewhere"]),
    "audience in a list": lambda: signed(aud=["farmgate"]),
    "audience of tickets": lambda: signed(aud="farmgate-stream"),
    "sub no ULID": lambda: signed(sub="admin"),
    "jti no ULID": lambda: signed(jti="1"),
    "sv text": lambda: signed(sv="1"),
    "sv true": lambda: signed(sv=True),
    "sv fraction": lambda: signed(sv=1.5),
    "exp text": lambda: signed(exp="9999999999"),
    "exp endless": lambda: f"{HEAD}.{part(CLAIMS | {'exp': 9e999})}.{SIGNATURE}",
    "made in the future": lambda: signed(iat=CLAIMS["iat"] + 3_600),
    "claims changed": lambda: f"{HEAD}.{part(CLAIMS | {'kyc': 3})}.{SIGNATURE}",
    "header changed": lambda: f"{part({**HEADER, 'alg': 'RS256', 'x': 1})}.{PAYLOAD}.{SIGNATURE}",
    "ticket": lambda: TOKENS.ticket(SUBJECT, ULID),
    "claims no object": lambda: f"{HEAD}.{text(b'[]')}.{SIGNATURE}",
    "header no object": lambda: f"{text(b'[]')}.{PAYLOAD}.{SIGNATURE}",
    "deep header": lambda: f"{text(b'[' * 100_000)}.{PAYLOAD}.{SIGNATURE}",
    "four parts": lambda: f"{GOOD}.x",
    "two parts": lambda: f"{HEAD}.{PAYLOAD}",
    "encrypted": lambda: f"{HEAD}.a.b.c.{SIGNATURE}",
    "no base64": lambda: f"{HEAD}.{PAYLOAD}.***",
    "not UTF-8": lambda: f"{text(bytes(range(256)))}.{PAYLOAD}.{SIGNATURE}",
    "nothing": lambda: "",
    "nul": lambda: "\0",
    "surrogate": lambda: "\udcff.\udcff.\udcff",
}  # fmt: skip


def test_good_token_is_taken() -> None:
    """The control: but for what is forged, the same code takes it."""
    assert TOKENS.verified_access(GOOD).user_id == ULID
    assert TOKENS.verified_access(signed()).token_id == ULID


@pytest.mark.parametrize("name", FORGED)
def test_forged_token_is_refused(name: str) -> None:
    """AUT-037."""
    with pytest.raises(DomainError) as caught:
        TOKENS.verified_access(FORGED[name]())
    assert caught.value.reason == "TOKEN_INVALID"


def test_access_token_is_no_ticket() -> None:
    """AUT-037."""
    assert TOKENS.verified_ticket(TOKENS.ticket(SUBJECT, ULID)).user_id == ULID
    for token in (GOOD, signed(aud="farmgate-stream"), FORGED["alg none"]()):
        with pytest.raises(DomainError) as caught:
            TOKENS.verified_ticket(token)
        assert caught.value.reason == "STREAM_TICKET_INVALID"


def test_expired_token_is_told_apart() -> None:
    late = signed(exp=CLAIMS["iat"])
    with pytest.raises(DomainError) as caught:
        TOKENS.verified_access(late)
    assert caught.value.reason == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "pem",
    [
        private_pem(SMALL), private_pem(ec.generate_private_key(ec.SECP256R1())), b"nonsense",
        public_pem(OURS),
    ],
    ids=["1024 bits", "elliptic", "nonsense", "public"],
)  # fmt: skip
def test_key_that_can_not_sign_is_refused(pem: bytes) -> None:
    """AUT-037."""
    with pytest.raises(SigningKeyError):
        tokens(pem)
    if pem != public_pem(OURS):
        with pytest.raises(SigningKeyError):
            tokens(private_pem(OURS), pem)
    with pytest.raises(SigningKeyError):
        tokens(private_pem(OURS), public_pem(SMALL))


def kids(of: Tokens) -> list[str]:
    return [key["kid"] for key in json.loads(of.jwks)["keys"]]


def test_keys_are_changed_without_a_gap() -> None:
    """AUT-038: the next key is published first, then signs, then the old one goes."""
    before = tokens(private_pem(OURS))
    announced = tokens(private_pem(OURS), public_pem(THEIRS))
    switched = tokens(private_pem(THEIRS), public_pem(OURS))
    after = tokens(private_pem(THEIRS))
    steps = [before, announced, switched, after]
    assert [len(kids(one)) for one in steps] == [1, 2, 2, 1]
    assert set(kids(announced)) == set(kids(switched))
    for old, new in pairwise(steps):
        # While servers are restarted one by one, each takes the tokens of the others.
        for maker, taker in ((old, new), (new, old)):
            assert taker.verified_access(maker.access(SUBJECT, RIGHTS, ULID)).user_id == ULID
    with pytest.raises(DomainError, match="TOKEN_INVALID"):
        after.verified_access(before.access(SUBJECT, RIGHTS, ULID))


def test_generated_key_is_changed_by_a_command(make_settings, tmp_path) -> None:
    """AUT-038."""
    settings = make_settings(auth_signing_key_file=None)
    first = load_secrets(settings)
    old = tokens(first.signing_pem, first.previous_pem)
    rotate_signing_key(settings)
    second = load_secrets(settings)
    assert second.previous_pem == first.signing_pem
    new = tokens(second.signing_pem, second.previous_pem)
    assert kids(new)[1] == kids(old)[0] != kids(new)[0]
    assert new.verified_access(old.access(SUBJECT, RIGHTS, ULID)).user_id == ULID
    rotate_signing_key(settings)
    third = load_secrets(settings)
    assert third.previous_pem == second.signing_pem
    latest = tokens(third.signing_pem, third.previous_pem)
    with pytest.raises(DomainError, match="TOKEN_INVALID"):
        latest.verified_access(old.access(SUBJECT, RIGHTS, ULID))
    for file in (settings.data_dir / "secrets").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert not list((settings.data_dir / "secrets").glob("*.next"))
    with pytest.raises(SettingsError, match="is given"):
        rotate_signing_key(make_settings())
