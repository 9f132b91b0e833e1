"""Secrets of the installation: given, or generated into the data folder at the first start."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from farmgate.app.settings import Settings, SettingsError

_KEY_BITS: Final = 3072
_SIGNING: Final = "signing.pem"
_PREVIOUS: Final = "previous.pem"
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Secrets:
    """What nobody outside the installation may know.

    Attributes:
        key: Signs page tokens and hashes requests.
        signing_pem: RSA private key that signs tokens, PEM.
        previous_pem: Another key whose tokens are taken too, or None.
    """

    key: bytes
    signing_pem: bytes
    previous_pem: bytes | None


def load_secrets(settings: Settings) -> Secrets:
    """Returns the secrets. What was not given is generated once and kept, readable by nobody else.

    Production never comes here without them: `settings.load` refuses.
    """
    given = settings.secret_key.get_secret_value().encode()
    folder = settings.data_dir / "secrets"
    signing = settings.auth_signing_key_file
    previous = settings.auth_previous_key_file
    return Secrets(
        key=given or _kept(folder / "secret.key", lambda: secrets.token_bytes(32)),
        signing_pem=signing.read_bytes() if signing else _kept(folder / _SIGNING, _rsa_pem),
        previous_pem=_previous(previous, folder / _PREVIOUS if signing is None else None),
    )


def rotate_signing_key(settings: Settings) -> None:
    """Makes a new key that signs tokens; those of the one before are taken until the next time.

    The running server goes on with the old key, and takes no tokens of the new one: it is started
    anew right after. Only for a key that was generated.

    Raises:
        SettingsError: The key was given, and so is somebody else's to change.
    """
    if settings.auth_signing_key_file is not None:
        raise SettingsError(
            ["The key is given by FARMGATE_AUTH_SIGNING_KEY_FILE; change it there."]
        )
    folder = settings.data_dir / "secrets"
    current, previous = folder / _SIGNING, folder / _PREVIOUS
    fresh = folder / f"{_SIGNING}.next"
    fresh.unlink(missing_ok=True)
    _kept(fresh, _rsa_pem)
    if current.exists():
        # Copied aside first: whenever this breaks off, both files hold whole keys.
        aside = folder / f"{_PREVIOUS}.next"
        aside.unlink(missing_ok=True)
        _kept(aside, current.read_bytes)
        aside.replace(previous)
    fresh.replace(current)


def _previous(given: Path | None, kept: Path | None) -> bytes | None:
    if given:
        return given.read_bytes()
    return kept.read_bytes() if kept and kept.exists() else None


def operator_key(settings: Settings) -> bytes:
    """Returns the private key of the operator on the chain, 32 bytes.

    Production never comes here without one when it has a chain: `settings.load` refuses.
    """
    given = settings.chain_operator_key_file
    if given is None:
        path = settings.data_dir / "secrets" / "operator.key"
        return bytes.fromhex(_kept(path, lambda: secrets.token_hex(32).encode()).decode())
    try:
        return bytes.fromhex(given.read_text("ascii").strip().removeprefix("0x"))
    except ValueError:
        # What the file holds is told to nobody; the caller judges the length.
        return b""


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    # Written aside and linked into place: two processes that start together agree on one, and none
    # reads half of it.
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_bytes()


def _rsa_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
