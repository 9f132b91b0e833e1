"""A8: a forward at a fixed price from its draft to its settlement and proof."""

from scenarios import script
from scenarios.deal import Deal


def test_forward_at_a_fixed_price_is_settled_and_proven(deal: Deal) -> None:
    """FWD-008, CON-001, CON-020, CON-040: scenario A8."""
    before = {side: deal.cash(side) for side in ("seller", "buyer")}
    name = script.in_force(deal)
    # 10 % and 5 % of 1,900 bu at 4.6125 are held.
    assert before["buyer"] - deal.cash("buyer") == 8_763_750
    assert before["seller"] - deal.cash("seller") == 4_381_875
    script.settled(deal, name, before)
    script.proven(deal, name)
