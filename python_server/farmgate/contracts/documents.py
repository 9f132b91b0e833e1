"""Use cases of documents: a contract or a statement as PDF and in the form that is hashed."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from farmgate.blockchain.facade import Library, Stored
from farmgate.contracts import statements, store
from farmgate.contracts.paper import Side, contract_paper, statement_paper
from farmgate.contracts.steps import Actor, Steps
from farmgate.contracts.values import BUYER, SELLER, Contract, Signature
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.paper import Paper, pdf


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a contract; its canonical form is in the library when it is not the newest."""

    contract: Contract
    people: list[Side]
    signed: list[Signature]
    stored: Stored | None


class Documents:
    """Renders contracts and statements.

    Args:
        database: Where they are kept.
        steps: Finds contracts and people.
        library: Keeps the canonical form of earlier versions.
    """

    def __init__(self, database: Database, steps: Steps, library: Library) -> None:
        self._database = database
        self._steps = steps
        self._library = library

    async def contract(
        self, actor: Actor, contract_id: str, version: int, *, is_canonical: bool
    ) -> bytes:
        """Returns a version of a contract; 0 is the newest.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE for a draft, NOT_FOUND for a version that was
                never opened for signatures, or IPFS_UNREACHABLE.
        """
        found = await self._database.read(lambda tx: self._version(tx, actor, contract_id, version))
        canonical = found.contract.canonical
        if found.stored is not None:
            data = await asyncio.to_thread(self._library.open, found.stored)
            canonical = data.decode()
        if is_canonical:
            return canonical.encode()
        paper = contract_paper(
            found.contract, version or found.contract.version, canonical, found.people,
            found.signed,
        )  # fmt: skip
        return await asyncio.to_thread(pdf, paper)

    async def statement(
        self, actor: Actor, contract_id: str, statement_id: str, *, is_canonical: bool
    ) -> bytes:
        """Returns a settlement statement of a contract.

        Raises:
            DomainError: NOT_A_PARTY or NOT_FOUND.
        """

        def read(connection: Connection) -> tuple[bytes, Paper]:
            contract = self._steps.found(connection, contract_id, actor)
            found = store.statement(connection, statement_id)
            if found is None or found.contract_id != contract_id:
                raise DomainError("NOT_FOUND", resource="statement", id=statement_id)
            document = statements.Document.FromString(found.document)
            people = self._sides(connection, contract, ())
            loads = store.deliveries_of(connection, contract_id)
            paper = statement_paper(contract, found, document, people, loads)
            return statements.canonical(document), paper

        canonical, paper = await self._database.read(read)
        return canonical if is_canonical else await asyncio.to_thread(pdf, paper)

    def _version(
        self, connection: Connection, actor: Actor, contract_id: str, version: int
    ) -> _Version:
        contract = self._steps.found(connection, contract_id, actor)
        wanted = version or contract.version
        signed = store.signatures_of(connection, contract_id, wanted)
        people = self._sides(connection, contract, signed)
        if wanted == contract.version:
            if not contract.canonical:
                raise DomainError(
                    "CONTRACT_STATE", state="Draft", action="rendering",
                    allowed="PendingSignature and later",
                )  # fmt: skip
            return _Version(contract, people, signed, None)
        cid = _cid_of(connection, contract_id, wanted)
        if not cid:
            raise DomainError("NOT_FOUND", resource="contract version", id=str(wanted))
        stored = self._library.readable(connection, cid, actor.user_id, reads_all=True)
        return _Version(contract, people, signed, stored)

    def _sides(
        self, connection: Connection, contract: Contract, signed: Sequence[Signature]
    ) -> list[Side]:
        """Returns the parties; who signed a version was its party, whoever is by now."""
        of_version = {one.party: one for one in signed}
        sides = []
        for party, user_id, wallet in zip(
            (SELLER, BUYER), contract.party_ids, (contract.seller_wallet, contract.buyer_wallet),
            strict=True,
        ):  # fmt: skip
            one = of_version.get(party)
            user = self._steps.user(connection, one.user_id if one else user_id)
            sides.append(Side(user.display_name, one.wallet if one else wallet))
        return sides


def _cid_of(connection: Connection, contract_id: str, version: int) -> str:
    """Returns under which name the canonical form of a version is kept, "" when it has none."""
    for event in store.events_of_version(connection, contract_id, version):
        cid = json.loads(event.detail).get("terms_cid")
        if cid:
            return str(cid)
    return ""
