"""Every table that names people says what becomes of it when they leave."""

import importlib
import pkgutil
import re
from collections import Counter

import farmgate
from farmgate.app.personal_data import HISTORY, PERSONAL
from farmgate.db.personal import Fate
from farmgate.db.schema import metadata

# Columns that hold who somebody is, by name.
NAMING = re.compile(
    r"^(user_id|owner_id|seller_id|buyer_id|actor|actor_id|caller|email|phone|ip|display_name)$"
    r"|^(requested|reported|issued|changed|fixed|signed|opened|filed|proposed|approved)_by$"
)


def _load_tables() -> None:
    endings = (".tables", ".audit", ".replies", ".outbox", ".configuration")
    for module in pkgutil.walk_packages(farmgate.__path__, "farmgate."):
        if module.name.endswith(endings):
            importlib.import_module(module.name)


def test_every_table_that_names_people_is_listed() -> None:
    """USR-078."""
    _load_tables()
    listed = {one.table.name for one in (*PERSONAL, *HISTORY)}
    lacking = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if NAMING.search(column.name) and table.name not in listed
    }
    assert not lacking, "Say in app/personal_data.py what becomes of them when a user leaves."


def test_what_refers_to_a_table_is_erased_before_it() -> None:
    """USR-078."""
    places = {one.table.name: place for place, one in enumerate(PERSONAL)}
    for one in PERSONAL:
        for key in one.table.foreign_keys:
            parent = key.column.table.name
            if one.fate is Fate.DELETED and parent in places:
                assert places[one.table.name] < places[parent]


def test_what_cannot_be_told_is_kept_back() -> None:
    """USR-075: keys and hashes of secrets."""
    secret = re.compile(r"hash$|secret|wrapped_key|^content$|^form$")
    sealed = {"request_hash", "payload_hash", "terms_hash", "transaction_hash", "previous_hash"}
    for one in (*PERSONAL, *HISTORY):
        columns = {column.name for column in one.table.columns if secret.search(column.name)}
        open_ones = columns - one.secrets - sealed
        if one.is_told and one.table.name != "audit_log":
            assert not open_ones, one.table.name


def test_a_table_is_listed_once_for_each_fate() -> None:
    counts = Counter((one.table.name, one.fate) for one in (*PERSONAL, *HISTORY))
    assert set(counts.values()) == {1}
