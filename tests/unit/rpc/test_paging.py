import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.errors import DomainError
from farmgate.rpc.paging import Pager, page_size

PAGER = Pager(b"key")


def test_token_is_good_for_its_list_caller_and_filters_only() -> None:
    """TRD-132."""
    request = users_pb2.ListLedgerRequest(asset="USD", page_size=10)
    token = PAGER.token(request, ("01", 7), caller="amara")
    assert PAGER.after(request, token, caller="amara") == ("01", 7)
    request.page_size = 20
    assert PAGER.after(request, token, caller="amara") == ("01", 7)
    assert PAGER.after(request, "", caller="amara") is None
    other = users_pb2.ListLedgerRequest(asset="EUR")
    for wrong in (
        lambda: PAGER.after(other, token, caller="amara"),
        lambda: PAGER.after(request, token, caller="jan"),
        lambda: PAGER.after(auth_pb2.ListSessionsRequest(), token, caller="amara"),
        lambda: Pager(b"other").after(request, token, caller="amara"),
    ):
        with pytest.raises(DomainError, match="PAGE_TOKEN_INVALID"):
            wrong()


@given(st.one_of(st.text(min_size=1), st.binary(min_size=1).map(
    lambda data: base64.urlsafe_b64encode(data).decode()
)))  # fmt: skip
def test_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(DomainError, match="PAGE_TOKEN_INVALID"):
        PAGER.after(auth_pb2.ListSessionsRequest(), token)


def test_page_size_is_bounded() -> None:
    assert [page_size(wanted) for wanted in (-1, 0, 1, 500, 501)] == [50, 50, 1, 500, 500]
