# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Registry of forward contracts
@license Apache-2.0
@notice Evidence of what two parties signed with their own wallets, of how it ended, of the
    exchange's daily journal roots, and of warehouse receipts. It holds no money: the exchange's
    ledger decides money. Only the operator writes, and even the operator can register nothing
    that both parties did not sign for this registry on this chain.
"""

# What both parties sign (EIP-712). Words and not codes, so that a wallet shows what is signed;
# termsHash binds everything else.
struct ForwardContract:
    contractId: bytes16
    version: uint32
    seller: address
    buyer: address
    commodity: String[64]
    quantity: String[64]
    price: String[128]
    deliveryStart: uint64
    deliveryEnd: uint64
    termsHash: bytes32
    termsCid: String[64]
    signBy: uint64

struct Record:
    state: uint8
    version: uint32
    seller: address
    buyer: address
    termsHash: bytes32

interface Wallet:
    def isValidSignature(hash: bytes32, signature: Bytes[1024]) -> bytes4: view

event Registered:
    contractId: indexed(bytes16)
    seller: indexed(address)
    buyer: indexed(address)
    version: uint32
    termsHash: bytes32
    termsCid: String[64]

event Amended:
    contractId: indexed(bytes16)
    seller: indexed(address)
    buyer: indexed(address)
    version: uint32
    termsHash: bytes32
    termsCid: String[64]

event Settled:
    contractId: indexed(bytes16)
    statementHash: bytes32
    statementCid: String[64]
    isShort: bool

event Cancelled:
    contractId: indexed(bytes16)
    reason: String[32]
    evidenceHash: bytes32

event Anchored:
    day: indexed(uint32)
    firstSequence: uint64
    lastSequence: uint64
    root: bytes32
    previousRoot: bytes32
    cid: String[64]

event ReceiptIssued:
    receiptId: indexed(bytes16)
    contentHash: bytes32

event ReceiptBurnt:
    receiptId: indexed(bytes16)

REGISTERED: constant(uint8) = 1
SETTLED: constant(uint8) = 2
CANCELLED: constant(uint8) = 3

SELLER: constant(uint8) = 1
BUYER: constant(uint8) = 2

CONTRACT_TYPE: constant(bytes32) = keccak256("ForwardContract(bytes16 contractId,uint32 version,address seller,address buyer,string commodity,string quantity,string price,uint64 deliveryStart,uint64 deliveryEnd,bytes32 termsHash,string termsCid,uint64 signBy)")
DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
NAME_HASH: constant(bytes32) = keccak256("Farmgate Forward")
VERSION_HASH: constant(bytes32) = keccak256("1")
# Half of the order of secp256k1. Of a signature's two forms only the one with the lower s is taken.
S_MAX: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
ERC1271_VALID: constant(bytes4) = 0x1626ba7e

operator: public(immutable(address))
records: public(HashMap[bytes16, Record])
anchors: public(HashMap[uint32, bytes32])
newestRoot: public(bytes32)
receipts: public(HashMap[bytes16, bytes32])


@deploy
def __init__(_operator: address):
    assert _operator != empty(address), "operator"
    operator = _operator


@external
@view
def digest(contract: ForwardContract) -> bytes32:
    """
    @notice Returns what the wallets of both parties sign.
    """
    return self._digest(contract)


@external
def register(contract: ForwardContract, sellerSignature: Bytes[1024], buyerSignature: Bytes[1024]):
    """
    @notice Notes a contract that both parties signed; once.
    """
    self._only_operator()
    before: Record = self.records[contract.contractId]
    if before.state != 0:
        raw_revert(abi_encode(before.termsHash, method_id=method_id("AlreadyRegistered(bytes32)")))
    self._check_signatures(contract, sellerSignature, buyerSignature)
    self._note(contract)
    log Registered(
        contractId=contract.contractId,
        seller=contract.seller,
        buyer=contract.buyer,
        version=contract.version,
        termsHash=contract.termsHash,
        termsCid=contract.termsCid,
    )


@external
def amend(contract: ForwardContract, sellerSignature: Bytes[1024], buyerSignature: Bytes[1024]):
    """
    @notice Notes a later version of a contract, signed by both parties.
    """
    self._only_operator()
    before: Record = self._open(contract.contractId)
    if before.version == contract.version and before.termsHash == contract.termsHash:
        raw_revert(abi_encode(before.termsHash, method_id=method_id("AlreadyRegistered(bytes32)")))
    if contract.version <= before.version:
        raw_revert(abi_encode(before.version, method_id=method_id("StaleVersion(uint32)")))
    self._check_signatures(contract, sellerSignature, buyerSignature)
    self._note(contract)
    log Amended(
        contractId=contract.contractId,
        seller=contract.seller,
        buyer=contract.buyer,
        version=contract.version,
        termsHash=contract.termsHash,
        termsCid=contract.termsCid,
    )


@external
def settle(contractId: bytes16, statementHash: bytes32, statementCid: String[64], isShort: bool):
    """
    @notice Notes the final settlement of a contract.
    """
    self._only_operator()
    self._open(contractId)
    self.records[contractId].state = SETTLED
    log Settled(
        contractId=contractId,
        statementHash=statementHash,
        statementCid=statementCid,
        isShort=isShort,
    )


@external
def cancel(contractId: bytes16, reason: String[32], evidenceHash: bytes32):
    """
    @notice Notes the cancellation of a contract.
    """
    self._only_operator()
    self._open(contractId)
    self.records[contractId].state = CANCELLED
    log Cancelled(contractId=contractId, reason=reason, evidenceHash=evidenceHash)


@external
def anchor(
    day: uint32,
    firstSequence: uint64,
    lastSequence: uint64,
    root: bytes32,
    previousRoot: bytes32,
    cid: String[64],
):
    """
    @notice Notes the root of a day's journal, chained to the root before; once a day.
    """
    self._only_operator()
    if self.anchors[day] != empty(bytes32):
        raw_revert(abi_encode(self.anchors[day], method_id=method_id("AlreadyAnchored(bytes32)")))
    if previousRoot != self.newestRoot or root == empty(bytes32):
        raw_revert(abi_encode(self.newestRoot, method_id=method_id("RootMismatch(bytes32)")))
    self.anchors[day] = root
    self.newestRoot = root
    log Anchored(
        day=day,
        firstSequence=firstSequence,
        lastSequence=lastSequence,
        root=root,
        previousRoot=previousRoot,
        cid=cid,
    )


@external
def issueReceipt(receiptId: bytes16, contentHash: bytes32):
    """
    @notice Notes a warehouse receipt.
    """
    self._only_operator()
    if self.receipts[receiptId] != empty(bytes32) or contentHash == empty(bytes32):
        raw_revert(
            abi_encode(self.receipts[receiptId], method_id=method_id("ReceiptExists(bytes32)"))
        )
    self.receipts[receiptId] = contentHash
    log ReceiptIssued(receiptId=receiptId, contentHash=contentHash)


@external
def burnReceipt(receiptId: bytes16):
    """
    @notice Takes a warehouse receipt back.
    """
    self._only_operator()
    if self.receipts[receiptId] == empty(bytes32):
        raw_revert(method_id("ReceiptUnknown()", output_type=Bytes[4]))
    self.receipts[receiptId] = empty(bytes32)
    log ReceiptBurnt(receiptId=receiptId)


@internal
@view
def _only_operator():
    if msg.sender != operator:
        raw_revert(method_id("NotOperator()", output_type=Bytes[4]))


@internal
@view
def _open(contractId: bytes16) -> Record:
    record: Record = self.records[contractId]
    if record.state == 0:
        raw_revert(method_id("NotRegistered()", output_type=Bytes[4]))
    if record.state != REGISTERED:
        raw_revert(abi_encode(record.state, method_id=method_id("AlreadyClosed(uint8)")))
    return record


@internal
def _note(contract: ForwardContract):
    self.records[contract.contractId] = Record(
        state=REGISTERED,
        version=contract.version,
        seller=contract.seller,
        buyer=contract.buyer,
        termsHash=contract.termsHash,
    )


@internal
@view
def _check_signatures(
    contract: ForwardContract, sellerSignature: Bytes[1024], buyerSignature: Bytes[1024]
):
    if contract.seller == contract.buyer:
        raw_revert(method_id("SameParty()", output_type=Bytes[4]))
    signed: bytes32 = self._digest(contract)
    self._check(signed, contract.seller, sellerSignature, SELLER)
    self._check(signed, contract.buyer, buyerSignature, BUYER)


@internal
@view
def _check(signed: bytes32, wallet: address, signature: Bytes[1024], party: uint8):
    if wallet != empty(address) and len(signature) == 65:
        s: uint256 = convert(slice(signature, 32, 32), uint256)
        if s > S_MAX:
            raw_revert(abi_encode(party, method_id=method_id("SignatureMalleable(uint8)")))
        r: uint256 = convert(slice(signature, 0, 32), uint256)
        v: uint256 = convert(slice(signature, 64, 1), uint256)
        if ecrecover(signed, v, r, s) == wallet:
            return
    if wallet.is_contract:
        answer: bytes4 = staticcall Wallet(wallet).isValidSignature(signed, signature)
        if answer == ERC1271_VALID:
            return
    raw_revert(abi_encode(party, method_id=method_id("SignatureInvalid(uint8)")))


@internal
@view
def _digest(contract: ForwardContract) -> bytes32:
    separator: bytes32 = keccak256(
        abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self)
    )
    content: bytes32 = keccak256(
        abi_encode(
            CONTRACT_TYPE,
            contract.contractId,
            contract.version,
            contract.seller,
            contract.buyer,
            keccak256(contract.commodity),
            keccak256(contract.quantity),
            keccak256(contract.price),
            contract.deliveryStart,
            contract.deliveryEnd,
            contract.termsHash,
            keccak256(contract.termsCid),
            contract.signBy,
        )
    )
    return keccak256(concat(b"\x19\x01", separator, content))
