"""E-mail: by a server, or into a folder where there is none."""

from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from farmgate.errors import DomainError

_TIMEOUT_S: Final = 10.0
_PORT: Final = 25
_PORT_TLS: Final = 465


class Mailer(Protocol):
    """Sends messages."""

    async def send(self, message: EmailMessage) -> None:
        """Sends a message.

        Raises:
            DomainError: DEPENDENCY_DOWN when it may work later, INVALID_ARGUMENT when never.
        """


class MailFolder:
    """Writes each message into a file of its own, for a person or a test to read.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: EmailMessage) -> None:
        """Writes the message under its ID; sent again, it is written over."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = message["message-id"].strip("<>").partition("@")[0]
        (self._folder / f"{name}.eml").write_bytes(bytes(message))


class SmtpServer:
    """Sends by SMTP.

    Args:
        address: `smtp://user:password@host:port`, or `smtps:` for TLS from the start; a server
            that offers STARTTLS is spoken to by it.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "smtps"
        self._port = parts.port or (_PORT_TLS if self._is_tls else _PORT)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, message: EmailMessage) -> None:
        """Hands the message to the server."""
        try:
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._is_tls,
                timeout=_TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise DomainError(
                "INVALID_ARGUMENT", field="to", rule="the server refused the address"
            ) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise DomainError("DEPENDENCY_DOWN", name="mail server") from error
