"""Fetches what sources offer: files, services that answer in JSON; with patience and limits."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from farmgate.market import parsing
from farmgate.market.parsing import BatchError, Observation, Reject
from farmgate.market.sources import CsvSource, JsonSource

PAGE_BYTES_MAX: Final = 32 * 1024 * 1024
_PAGES_MAX: Final = 2_000
_ATTEMPTS: Final = 4
_BACKOFF_S: Final = 1.0
# A service that wants a longer rest is asked again with the next run.
_RETRY_AFTER_MAX_S: Final = 60.0
_TIMEOUT_S: Final = 20.0
_SERVER_ERROR: Final = 500
_OK: Final = 200
_TOO_MANY: Final = 429
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one page of a source says."""

    rows: Iterable[Observation | Reject]
    sha256: str


class Fetcher:
    """Asks sources.

    Args:
        client: Makes requests.
        environment: Where the values of headers are.
        sleep: Waits between attempts.
        timeout_s: How long an attempt may take.
    """

    def __init__(
        self, client: httpx.AsyncClient, environment: Callable[[str], str | None],
        sleep: Sleep = asyncio.sleep, timeout_s: float = _TIMEOUT_S,
    ) -> None:  # fmt: skip
        self._client = client
        self._environment = environment
        self._sleep = sleep
        self._timeout_s = timeout_s

    async def csv(self, source: CsvSource) -> AsyncIterator[Batch]:
        """Yields the whole table.

        Raises:
            BatchError: It could not be had or read.
        """
        if source.location.startswith(("http://", "https://")):
            data = await self._get(source.location, {})
        else:
            data = await asyncio.to_thread(_file, Path(source.location))
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BatchError("NOT_TEXT", "the table is not UTF-8") from error
        yield Batch(parsing.csv_rows(source, text), _hash(data))

    async def json(self, source: JsonSource, today: date) -> AsyncIterator[Batch]:
        """Yields page after page.

        Raises:
            BatchError: One could not be had or read, or the service left rows out.
        """
        headers = self._headers(source)
        seen_count, hash_before = 0, ""
        for page in range(_PAGES_MAX):
            offset = page * source.page_rows
            data = await self._get(_url(source, offset, today), headers)
            answer = _answer(data)
            sha256 = _hash(data)
            if sha256 == hash_before:
                raise BatchError("DUPLICATE_PAGE", f"page {page + 1} is the one before again")
            hash_before = sha256
            rows = parsing.at(answer, source.rows)
            count = len(rows) if isinstance(rows, list) else 0
            _check_returned(source, answer, count)
            yield Batch(parsing.json_rows(source, answer, seen_count + 1), sha256)
            seen_count += count
            if not source.page_rows or count < source.page_rows:
                _check_total(source, answer, seen_count)
                return
        raise BatchError("TOO_MANY_PAGES", f"there are more than {_PAGES_MAX} pages")

    def _headers(self, source: JsonSource) -> dict[str, str]:
        found = {}
        for name, variable in source.headers.items():
            value = self._environment(variable)
            if value is None:
                raise BatchError("NOT_CONFIGURED", f"the variable {variable} is not set")
            found[name] = value
        return found

    async def _get(self, url: str, headers: dict[str, str]) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            wait_s = _BACKOFF_S * 2 ** (attempt - 1)
            try:
                async with asyncio.timeout(self._timeout_s):
                    response, data = await self._once(url, headers)
            except TimeoutError as error:
                failure = BatchError("TIMEOUT", f"no answer within {self._timeout_s:g} s")
                failure.__cause__ = error
            except httpx.HTTPError as error:
                failure = BatchError("UNREACHABLE", f"{type(error).__name__}: {error}")
                failure.__cause__ = error
            else:
                if response.status_code == _OK:
                    return data
                failure = BatchError(
                    f"HTTP_{response.status_code}", f"the answer is {response.status_code}"
                )
                may_pass = response.status_code >= _SERVER_ERROR
                if response.status_code == _TOO_MANY:
                    wait_s, may_pass = _retry_after(response, wait_s), True
                if not may_pass or wait_s > _RETRY_AFTER_MAX_S:
                    raise failure
            if attempt == _ATTEMPTS:
                raise failure
            await self._sleep(wait_s)
        raise AssertionError("The last attempt returns or raises.")

    async def _once(self, url: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        async with self._client.stream("GET", url, headers=headers) as response:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > PAGE_BYTES_MAX:
                    raise BatchError("TOO_LARGE", f"a page has more than {PAGE_BYTES_MAX} bytes")
            return response, b"".join(parts)


def _url(source: JsonSource, offset: int, today: date) -> str:
    values = {
        "{offset}": str(offset),
        "{limit}": str(source.page_rows),
        "{from}": (today - timedelta(days=source.days_back)).isoformat(),
        "{to}": today.isoformat(),
    }
    url = source.url
    for name, value in values.items():
        url = url.replace(name, value)
    return url


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > PAGE_BYTES_MAX:
            raise BatchError("TOO_LARGE", f"the file has more than {PAGE_BYTES_MAX} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BatchError("UNREACHABLE", f"the file can't be read: {error.strerror}") from error


def _answer(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        start = data[:60].decode("utf-8", "replace")
        raise BatchError("NOT_JSON", f"the answer is no JSON: {start!r}") from error


def _check_returned(source: JsonSource, answer: Any, count: int) -> None:
    told = parsing.at(answer, source.returned) if source.returned else None
    if told is not None and _number(told) != count:
        raise BatchError("TRUNCATED", f"{told} rows are told of and {count} are there")


def _check_total(source: JsonSource, answer: Any, seen_count: int) -> None:
    told = parsing.at(answer, source.total) if source.total else None
    if told is not None and _number(told) > seen_count:
        raise BatchError("TRUNCATED", f"of {told} rows {seen_count} were given")


def _number(told: Any) -> int:
    text = str(told).replace(",", "")
    if not text.isdecimal():
        raise BatchError("SCHEMA", f"{text[:32]!r} is no count of rows")
    return int(text)


def _retry_after(response: httpx.Response, wait_s: float) -> float:
    told = response.headers.get("retry-after", "")
    return max(wait_s, float(told)) if told.isdecimal() else wait_s


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
