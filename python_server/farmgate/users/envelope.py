"""Encryption of what people hand in: a key for each document, wrapped by the installation's."""

import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Envelope:
    """Keeps documents encrypted, each under a key of its own that is kept wrapped.

    Args:
        key: The installation's key for wrapping, 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._wrapper = AESGCM(key)

    def shut(self, data: bytes, name: str) -> tuple[bytes, bytes]:
        """Returns the wrapped key and the encrypted data; both are bound to the name."""
        key = secrets.token_bytes(_KEY_BYTES)
        return self._seal(self._wrapper, key, name), self._seal(AESGCM(key), data, name)

    def open(self, wrapped_key: bytes, content: bytes, name: str) -> bytes:
        """Returns data that `shut` encrypted."""
        key = self._unseal(self._wrapper, wrapped_key, name)
        return self._unseal(AESGCM(key), content, name)

    def shut_form(self, data: bytes, name: str) -> bytes:
        """Returns a form, encrypted under the installation's key."""
        return self._seal(self._wrapper, data, name)

    def open_form(self, data: bytes, name: str) -> bytes:
        """Returns a form that `shut_form` encrypted."""
        return self._unseal(self._wrapper, data, name)

    @staticmethod
    def _seal(cipher: AESGCM, data: bytes, name: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, data, name.encode())

    @staticmethod
    def _unseal(cipher: AESGCM, data: bytes, name: str) -> bytes:
        return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], name.encode())
