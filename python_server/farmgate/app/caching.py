"""Caches made of tables: what is written to those is forgotten, whoever writes it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import Column, Table

from farmgate.app.parts.base import Base
from farmgate.ports.cache import Cache, Codec

T = TypeVar("T")


def cache_of(
    base: Base, name: str, ttl_s: int, codec: Codec[T], tables: Mapping[Table, Column[Any] | None]
) -> Cache[T]:
    """Returns a new cache.

    Args:
        base: Where the tables are.
        name: Name for operators.
        ttl_s: How long a value may be used.
        codec: Makes bytes of values.
        tables: What the values are made of; with a column when its value is their key.
    """
    made = base.caches.define(name, ttl_s, codec)
    for table, key in tables.items():
        base.database.changes.listen(
            table, lambda changed: base.caches.changed(name, changed), key=key
        )
    return made
