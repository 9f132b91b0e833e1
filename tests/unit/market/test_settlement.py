"""Settlement prices and limits, by vectors of the specification and by hand."""

from fractions import Fraction

import pytest

from farmgate.market.settlement import Limits, Quote, by_spread, hit, limits, nearest, settle

NOBODY = Quote(None, None)


@pytest.mark.parametrize(
    ("window", "last", "quote", "prior", "expected"),
    [
        # 1830 x 10 + 1834 x 20 + 1833 x 5 = 64,145 over 35 lots: 1832.714..., so 1833.
        ([(1830, 10), (1834, 20), (1833, 5)], 1833, NOBODY, 1800, (1833, "1")),
        # (1832 + 1833) / 2 lies between two ticks: the one closer to the price before.
        ([(1832, 4), (1833, 4)], 1833, NOBODY, 1800, (1832, "1")),
        ([(1832, 4), (1833, 4)], 1833, NOBODY, 1900, (1833, "1")),
        ([(1832, 4), (1833, 4)], 1833, NOBODY, 1832, (1832, "1")),
        ([(1832, 4), (1833, 4)], 1833, NOBODY, None, (1833, "1")),
        # One lot more moves it off the middle: 1832.555..., so 1833 whatever was before.
        ([(1832, 4), (1833, 5)], 1833, NOBODY, 1800, (1833, "1")),
        # The closing window's price stands even where the market has moved on since.
        ([(1830, 1)], 1830, Quote(1840, 1845), 1800, (1830, "1")),
        ([], 1830, Quote(1828, 1835), 1800, (1830, "2")),
        ([], 1830, Quote(1831, 1835), 1800, (1831, "2")),
        ([], 1830, Quote(1820, 1825), 1800, (1825, "2")),
        ([], 1830, Quote(None, 1829), 1800, (1829, "2")),
        ([], 1830, NOBODY, 1800, (1830, "2")),
        ([], None, Quote(1790, 1795), 1800, (1795, "3")),
        ([], None, Quote(1805, None), 1800, (1805, "3")),
        ([], None, NOBODY, 1800, (1800, "3")),
        ([], None, Quote(1805, 1806), None, None),
    ],
)
def test_settlement_prices(
    window: list[tuple[int, int]], last: int | None, quote: Quote, prior: int | None,
    expected: tuple[int, str] | None,
) -> None:  # fmt: skip
    """MKT-030."""
    assert settle(window, last, quote, prior) == expected


def test_nearest_is_the_nearest_on_both_sides() -> None:
    """MKT-030."""
    assert nearest(Fraction(18_324, 10), None) == 1832
    assert nearest(Fraction(18_326, 10), None) == 1833
    assert nearest(Fraction(1832), 1) == 1832


def test_a_forward_without_trades_follows_the_lead() -> None:
    """MKT-031: the lead went from 1833 to 1845, the other stood at 1860, so 1872."""
    assert by_spread(1845, 1860, 1833) == 1872
    assert by_spread(5, 2, 100) == 1


# Prices, increments and limits in units of 0.0025: 20 of them are five cents.
@pytest.mark.parametrize(
    ("mean", "initial", "expanded"),
    [
        (1_832, 120, 180),  # 4.58: 0.3206 is nearest to 0.30; 0.45.
        (4_176, 300, 460),  # 10.44: 0.7308, so 0.75; 1.125, so 1.15.
        (2_216, 160, 240),  # 5.54: 0.3878, so 0.40; 0.60.
        (1_448, 100, 160),  # 3.62: 0.2534, so 0.25; 0.375, so 0.40.
    ],
)
def test_limits_of_grains(mean: int, initial: int, expanded: int) -> None:
    """MKT-032."""
    assert limits([mean] * 45) == Limits(initial, expanded)


@pytest.mark.parametrize(
    ("initial", "expanded"),
    [(100, 160), (140, 220), (280, 420), (360, 540), (460, 700)],
)
def test_expanded_limits_of_the_specification(initial: int, expanded: int) -> None:
    """MKT-032: .25 to .40, .35 to .55, .70 to 1.05, .90 to 1.35, 1.15 to 1.75."""
    mean = -(-initial * 100 // 7)
    assert limits([mean]) == Limits(initial, expanded)


def test_other_increments() -> None:
    """MKT-032: soybean oil .025 to .040 by .005, meal 25 to 40 by 5."""
    assert limits([3_571], 50) == Limits(250, 400)  # Ticks of 0.0001, increments of 0.005.
    assert limits([3_571], 50) == limits([3_571] * 3, 50)
    assert limits([357], 5) == Limits(25, 40)  # Ticks of 1.


def test_limits_are_of_the_last_45_days() -> None:
    """MKT-032: what was before does not count, and a limit is never nothing."""
    assert limits([9_999] * 10 + [1_832] * 45) == Limits(120, 180)
    assert limits([1]) == Limits(20, 40)


def test_which_limit_a_price_is_at() -> None:
    assert [hit(price, 10, 20) for price in (10, 11, 19, 20)] == ["DOWN", "NONE", "NONE", "UP"]
