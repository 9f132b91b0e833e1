"""What is traded: assets and instruments in the core, their descriptions in the tables."""

from farmgate.app.seeding.ground import Ground
from farmgate.market import catalogue, store


async def plant(ground: Ground) -> None:
    """Lists the instruments of the day."""
    listings = catalogue.listings(ground.base.clock.now().date())
    codes = {code for entry in listings for code in (entry.base_asset, entry.quote_asset)}
    assets = {code: await ground.matching.register_asset(code) for code in sorted(codes)}
    rows = []
    for entry in listings:
        number = await ground.matching.define_instrument(entry.with_assets(assets))
        tick = entry.rules["tick_size_micro"]
        rows.append({
            **entry.description, "number": number, "tick_size_micro": tick,
            "currency": entry.quote_asset,
        })  # fmt: skip
    await ground.base.database.write(lambda tx: store.add(tx, catalogue.commodity_rows(), rows))
