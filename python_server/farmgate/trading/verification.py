"""Checks days of the public journal, receipts and proofs, with nothing of the exchange's at hand.

Nothing here reads a setting, a database or a network: what is checked are files, and what they
must agree with is computed anew.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from farmgate.api.trading.v1 import trading_pb2
from farmgate.ports.content import cid_of
from farmgate.ports.proofs import DayResult, DayVerifier, inclusion_root
from farmgate.trading.proof_keys import canonical, is_signed, receipt_words

M = TypeVar("M", bound=Message)
_SECTIONS: Final = 20_000
# Where a state kept starts: nothing else does by accident.
_STATE: Final = b"farmgate verified state 1\n"


class InputError(Exception):
    """A file can't be read as what it was given for; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        kind: Stable name of the kind.
        about: File, order or sequence that it is about.
        words: What is wrong.
    """

    kind: str
    about: str
    words: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day that was checked."""

    date: str
    first_sequence: int
    last_sequence: int
    records: int
    fills: int
    root: str
    chain: str
    is_anchor_compared: bool


@dataclass(slots=True)
class Report:
    """What a check came to."""

    days: list[Day] = field(default_factory=list)
    receipts: int = 0
    proofs: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Returns whether nothing is wrong."""
        return not self.findings

    def find(self, kind: str, about: str, words: str) -> None:
        """Notes something that is wrong."""
        self.findings.append(Finding(kind, about, words))


@dataclass(slots=True)
class Wanted:
    """What is to be checked.

    Attributes:
        files: Files of days, the oldest first.
        state: State that an earlier check kept; empty to start with the journal.
        receipts: Answers of GetReceipt.
        proofs: Answers of GetInclusionProof.
        anchors: Answers of GetJournalAnchor.
        roots: Roots by date, as read from the chain.
        public_key: Key that receipts must be of, as hexadecimal; "" takes the receipts' own.
    """

    files: Sequence[Path]
    state: bytes = b""
    receipts: Sequence[trading_pb2.GetReceiptResponse] = ()
    proofs: Sequence[trading_pb2.GetInclusionProofResponse] = ()
    anchors: Sequence[trading_pb2.GetJournalAnchorResponse] = ()
    roots: dict[str, str] = field(default_factory=dict)
    public_key: str = ""


def read_message(path: Path, kind: type[M]) -> M:
    """Returns the answer of an RPC that a file holds, as REST gave it.

    Raises:
        InputError: It does not.
    """
    try:
        return json_format.Parse(path.read_text("utf-8"), kind(), ignore_unknown_fields=True)
    except (OSError, UnicodeDecodeError, json_format.ParseError) as error:
        raise InputError(f"{path} is no {kind.DESCRIPTOR.name}: {error}") from error


def check(
    wanted: Wanted, progress: Callable[[Path, int, int], None] = lambda *_: None
) -> tuple[Report, bytes]:
    """Returns what the check came to, and the state to go on from at a later one.

    Raises:
        InputError: A file can't be read, or the state is damaged.
    """
    verifier = _verifier(wanted.state)
    sequences = [one.sequence for one in wanted.receipts]
    sequences += [one.sequence for one in wanted.proofs]
    for sequence in sequences:
        verifier.want(sequence)
    report = Report()
    for path in wanted.files:
        before = verifier.result()
        result = _replay(verifier, path, progress)
        _check_day(report, wanted, path, result, before)
        if report.findings:
            # What follows a day that is wrong would be wrong for no reason of its own.
            return report, b""
    for receipt in wanted.receipts:
        _check_receipt(report, receipt, verifier, wanted.public_key)
    for proof in wanted.proofs:
        _check_proof(report, proof, verifier)
    return report, _STATE + verifier.save()


def _verifier(state: bytes) -> DayVerifier:
    if state and not state.startswith(_STATE):
        raise InputError("The state is not one that an earlier check kept.")
    try:
        return DayVerifier(state.removeprefix(_STATE))
    except ValueError as error:
        raise InputError("The state is damaged.") from error


def _replay(
    verifier: DayVerifier, path: Path, progress: Callable[[Path, int, int], None]
) -> DayResult:
    try:
        verifier.begin(path)
        is_over = False
        while not is_over:
            read, size, is_over = verifier.step(_SECTIONS)
            progress(path, read, size)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error}") from error
    return verifier.result()


def _check_day(
    report: Report, wanted: Wanted, path: Path, result: DayResult, before: DayResult
) -> None:
    for kind, sequence, words in result["findings"]:
        report.find(kind, f"{path.name}, sequence {sequence}" if sequence else path.name, words)
    header = _object(result["header"])
    first = before["last_sequence"] + 1
    date = str(header.get("date", ""))
    manifest = {
        "chain": result["chain"], "date": date, "end_hash": result["end_hash"],
        "fills": result["fills"], "first_sequence": first,
        "last_sequence": result["last_sequence"], "records": result["records"],
        "root": result["root"],
    }  # fmt: skip
    told = _object(result["manifest"])
    if report.findings and not told:
        return
    _check_header(report, path, header, result["header"], before)
    for name, value in manifest.items():
        if told.get(name) != value:
            words = f"the file says {name} {told.get(name)} and the replay makes {value}"
            report.find("manifest", path.name, words)
    if result["manifest"] != canonical(manifest) and not report.findings:
        report.find("manifest", path.name, "the manifest is not written as it must be")
    is_compared = _check_anchor(report, wanted, path, date, result)
    report.days.append(
        Day(
            date, first, result["last_sequence"], result["records"], result["fills"],
            result["root"], result["chain"], is_compared,
        )
    )  # fmt: skip


def _check_header(
    report: Report, path: Path, header: dict[str, Any], text: str, before: DayResult
) -> None:
    first = before["last_sequence"] + 1
    stated = header.get("first_sequence")
    if stated != first:
        words = f"the file starts with sequence {stated} and what was checked ends before {first}"
        report.find("gap", path.name, words)
    elif header.get("chain_before") != before["chain"]:
        report.find("chain", path.name, "the file does not continue the chain of the day before")
    expected = {
        "chain_before": before["chain"], "date": header.get("date"), "first_sequence": first,
        "format": 1,
    }  # fmt: skip
    if text != canonical(expected) and not report.findings:
        report.find("header", path.name, "the header is not written as it must be")


def _check_anchor(report: Report, wanted: Wanted, path: Path, date: str, result: DayResult) -> bool:
    is_compared = False
    if (root := wanted.roots.get(date)) is not None:
        is_compared = True
        if root != result["root"]:
            words = f"the chain has root {root} and the records make {result['root']}"
            report.find("root", path.name, words)
    for anchor in wanted.anchors:
        if anchor.date != date:
            continue
        is_compared = True
        stated = {
            "root": (anchor.root, result["root"]),
            "chain_hash": (anchor.chain_hash, result["chain"]),
            "last_sequence": (anchor.last_sequence, result["last_sequence"]),
            "manifest_cid": (anchor.manifest_cid, cid_of(result["manifest"].encode())),
        }
        for name, (told, made) in stated.items():
            if told != made:
                words = f"the anchor says {name} {told} and the records make {made}"
                report.find("root", path.name, words)
    return is_compared


def _check_receipt(
    report: Report,
    receipt: trading_pb2.GetReceiptResponse,
    verifier: DayVerifier,
    public_key: str,
) -> None:
    about = f"receipt of order {receipt.order_id}"
    report.receipts += 1
    words = receipt_words(receipt.sequence, receipt.order_id, receipt.chain_hash)
    if not is_signed(public_key or receipt.public_key, receipt.signature, words):
        report.find("signature", about, "the signature is not the exchange's")
        return
    seen = verifier.seen(receipt.sequence)
    if seen is None:
        report.find("receipt", about, "its record is in none of the files")
        return
    leaf, chain, order_id = seen
    stated = {
        "order_id": (receipt.order_id, order_id),
        "leaf_hash": (receipt.leaf_hash, leaf),
        "chain_hash": (receipt.chain_hash, chain),
    }
    for name, (told, made) in stated.items():
        if told != made:
            report.find("receipt", about, f"it says {name} {told} and the journal has {made}")


def _check_proof(
    report: Report, proof: trading_pb2.GetInclusionProofResponse, verifier: DayVerifier
) -> None:
    about = f"proof of sequence {proof.sequence}"
    report.proofs += 1
    day = next((one for one in report.days if one.date == proof.date), None)
    seen = verifier.seen(proof.sequence)
    if day is None or seen is None:
        report.find("proof", about, "its day is none of the files")
        return
    index, count = proof.sequence - day.first_sequence, day.records
    try:
        root = inclusion_root(seen[0], list(proof.path), count, index)
    except ValueError:
        root = None
    stated = {
        "leaf_hash": (proof.leaf_hash, seen[0]),
        "leaf_index": (proof.leaf_index, index),
        "leaf_count": (proof.leaf_count, count),
        "root": (proof.root, day.root),
    }
    for name, (told, made) in stated.items():
        if told != made:
            report.find("proof", about, f"it says {name} {told} and the journal has {made}")
    if root != day.root:
        report.find("proof", about, "the path does not lead to the root of the day")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
