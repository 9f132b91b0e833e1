"""Signatures of wallets that are contracts (EIP-1271): the chain itself is asked."""

from collections.abc import Callable
from typing import Final

from farmgate.errors import DomainError
from farmgate.ports.chain import Chain, Request, RevertedError

# Both the selector of `isValidSignature(bytes32,bytes)` and the answer that means yes.
_MAGIC: Final = bytes.fromhex("1626ba7e")
_WORD: Final = 32
# What the registry takes.
_SIGNATURE_BYTES_MAX: Final = 1_024


class ContractWallets:
    """Asks wallets on the chain whether a signature is theirs.

    Args:
        chain: Gives the chain, opened when it is needed first.
        caller: Address in whose name they are asked.
        is_enabled: Whether there is a chain.
    """

    def __init__(self, chain: Callable[[], Chain], caller: str, *, is_enabled: bool) -> None:
        self._chain = chain
        self._caller = caller
        self._is_enabled = is_enabled

    def check(self, signed: bytes, signature: bytes, wallet: str) -> None:
        """Judges a signature over a digest; it blocks, call it from a thread.

        Raises:
            DomainError: SIGNATURE_INVALID when the wallet does not say yes or is no contract,
                CHAIN_DISABLED or CHAIN_UNREACHABLE when it can't be asked.
        """
        if not self._is_enabled:
            raise DomainError("CHAIN_DISABLED")
        if len(signature) > _SIGNATURE_BYTES_MAX:
            raise DomainError("SIGNATURE_INVALID")
        data = _MAGIC + signed + (2 * _WORD).to_bytes(_WORD, "big")
        data += len(signature).to_bytes(_WORD, "big")
        data += signature + bytes(-len(signature) % _WORD)
        try:
            answer = self._chain().call(Request(self._caller, wallet, data))
        except RevertedError as error:
            raise DomainError("SIGNATURE_INVALID") from error
        # An address without code answers nothing.
        if answer[: len(_MAGIC)] != _MAGIC or len(answer) != _WORD or any(answer[len(_MAGIC) :]):
            raise DomainError("SIGNATURE_INVALID")
