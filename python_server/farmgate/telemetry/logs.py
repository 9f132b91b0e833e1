"""Logs: one JSON object a line, with secrets taken out."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import structlog

REDACTED: Final = "[redacted]"
_FILE_BYTES_MAX: Final = 64 * 1024 * 1024
_FILE_COUNT: Final = 8
# Longer values are cut: a log line is for a person, and a caller chooses some of its text.
_TEXT_LENGTH_MAX: Final = 1024
# Fields that are secret wherever they appear. The API's own list comes from the option `sensitive`.
_ALWAYS_SECRET: Final = frozenset({
    "authorization", "cookie", "password", "password_hash", "secret", "secret_key", "ticket",
    "token", "access_token", "refresh_token", "database_url",
})  # fmt: skip
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?<=://)[^/\s:@]*:[^/\s@]*(?=@)")

_Event = MutableMapping[str, Any]


class Redactor:
    """Takes secrets out of a log line.

    Args:
        sensitive: Names of fields that never reach a log, besides the fixed list.
    """

    def __init__(self, sensitive: Iterable[str] = ()) -> None:
        self._secret = _ALWAYS_SECRET | frozenset(sensitive)

    def __call__(self, _logger: object, _name: str, event: _Event) -> _Event:
        """Returns the line without secrets."""
        return {key: self._clean(key, value) for key, value in event.items()}

    def _clean(self, key: str, value: Any) -> Any:
        if key.lower() in self._secret:
            return REDACTED
        if isinstance(value, str):
            return _TOKEN.sub(REDACTED, value if key == "exception" else value[:_TEXT_LENGTH_MAX])
        if isinstance(value, dict):
            return {name: self._clean(str(name), inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(key, inner) for inner in value]
        return value


def configure(
    *,
    level: str,
    file: Path | None = None,
    sensitive: Iterable[str] = (),
    file_bytes_max: int = _FILE_BYTES_MAX,
) -> None:
    """Sets up logging for the process.

    Args:
        level: Lowest level that is written, such as "INFO".
        file: Where to write, rotated at 64 MiB with 8 files kept; standard error when None.
        sensitive: Names of fields that never reach a log.
        file_bytes_max: Size of a file at which the next one is begun.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            file, maxBytes=file_bytes_max, backupCount=_FILE_COUNT - 1, encoding="utf-8"
        )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redactor(sensitive),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in tuple(root.handlers):
        if getattr(old, "is_farmgate", False):
            root.removeHandler(old)
            old.close()
    handler.is_farmgate = True  # type: ignore[union-attr] # Marks the handler as ours to replace.
    root.addHandler(handler)
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Returns the logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
