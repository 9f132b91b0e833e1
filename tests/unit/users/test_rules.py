import pytest

from farmgate.errors import DomainError
from farmgate.users import rules


def test_fields_to_change_are_the_stated_or_the_named() -> None:
    assert rules.fields_to_change((), ["phone", "email"]) == {"phone"}
    assert rules.fields_to_change(["phone", "country"], []) == {"phone", "country"}
    assert rules.fields_to_change(["*"], []) == set(rules.EDITABLE)
    with pytest.raises(DomainError, match="update_mask"):
        rules.fields_to_change(["phone", "role"], [])


def test_missing_values_have_defaults() -> None:
    assert (rules.locale(""), rules.timezone("", ()), rules.country("")) == ("en", "UTC", "")


@pytest.mark.parametrize("text", ["+2348012345678", "", "+49301234567"])
def test_phone_is_taken(text: str) -> None:
    assert rules.phone(text) == text


@pytest.mark.parametrize("text", ["0800", "+0123456789", "+123", "+1234567890123456", "+٣٤٥٦٧٨٩"])
def test_phone_is_refused(text: str) -> None:
    with pytest.raises(DomainError):
        rules.phone(text)


@pytest.mark.parametrize("text", ["é@example.com", "a\nb@example.com", "\x00"])
def test_address_nobody_can_have_has_no_key(text: str) -> None:
    assert rules.email_key(text) is None
