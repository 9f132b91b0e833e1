//! Reasons of refusals, numbered as in `farmgate.api.errors.v1.Reason`.

use crate::types::{AssetNumber, InstrumentNumber};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal,)*) => {
        /// Why a command was refused. The numbers are public and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Reason { $($(#[$doc])* $variant = $number,)* }

        impl Reason {
            /// Returns the reason with a number, or `None`.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

reasons! {
    /// A value breaks a rule of its field. Metadata: field, rule.
    InvalidArgument = 1,
    /// A required field is missing. Metadata: field.
    FieldRequired = 2,
    /// A decimal is not of the form -?digits(.digits), with at most 12 digits before and 6 after the point. Metadata: field, value.
    DecimalFormat = 3,
    /// A number lies outside its range. Metadata: field, value, low, high.
    OutOfRange = 4,
    /// The resource changed since the caller read it. Metadata: expected, actual.
    VersionConflict = 7,
    /// The idempotency key came before with another request. Metadata: key.
    IdempotencyKeyReused = 8,
    /// The bytes of the request are not a message of the method.
    MalformedMessage = 19,
    /// The caller may not do this.
    PermissionDenied = 109,
    /// The account's owner is not known well enough. Metadata: level, actual.
    KycLevelRequired = 200,
    /// There is no such instrument. Metadata: symbol.
    InstrumentUnknown = 300,
    /// The instrument is not open for trading. Metadata: phase.
    InstrumentNotTrading = 301,
    /// The phase does not take this kind of order. Metadata: phase.
    OrderNotAllowedInPhase = 302,
    /// The price is off the tick grid. Metadata: price, tick.
    PriceTick = 303,
    /// The price is outside the day's limits. Metadata: price, low, high.
    PriceLimit = 304,
    /// The price is too far from the reference price. Metadata: price, low, high.
    PriceBand = 305,
    /// The quantity is not a whole number of lots, from 1. Metadata: quantity.
    QuantityLot = 306,
    /// The quantity is below the least. Metadata: quantity, minimum.
    QuantityMin = 307,
    /// The quantity is above the most. Metadata: quantity, maximum.
    QuantityMax = 308,
    /// The order's value is above the most. Metadata: notional, maximum.
    NotionalMax = 309,
    /// The order type needs a price.
    PriceRequired = 310,
    /// The order type takes no price.
    PriceNotAllowed = 311,
    /// The order type needs a stop price.
    StopPriceRequired = 312,
    /// The time in force does not fit the order type. Metadata: `time_in_force`.
    TifInvalid = 313,
    /// The expiry is missing, past or not wanted.
    ExpiryInvalid = 314,
    /// The displayed quantity does not fit.
    DisplayQtyInvalid = 315,
    /// The minimum quantity does not fit.
    MinQtyInvalid = 316,
    /// A post-only order would trade at once.
    PostOnlyWouldTrade = 317,
    /// A fill-or-kill order can't fill whole. Metadata: available.
    FokUnfillable = 318,
    /// The minimum quantity can't be had. Metadata: available.
    MinQtyUnfillable = 319,
    /// A market order found nobody to trade with.
    NoLiquidity = 320,
    /// The order would trade with its own owner.
    SelfTradePrevented = 321,
    /// The account lacks the cash. Metadata: asset, needed, available.
    InsufficientFunds = 322,
    /// The account lacks the commodity. Metadata: asset, needed, available.
    InsufficientInventory = 323,
    /// The position would be too large. Metadata: maximum.
    PositionLimit = 324,
    /// The account has too many open orders. Metadata: maximum.
    OpenOrdersLimit = 325,
    /// The day's turnover would be too large. Metadata: maximum.
    DailyLimit = 326,
    /// The client order ID came before with another order. Metadata: `client_order_id`.
    DuplicateClientOrderId = 327,
    /// There is no such open order of the caller. Metadata: `order_id`.
    OrderNotFound = 328,
    /// The order is closed already. Metadata: `order_id`, `status`.
    OrderClosed = 329,
    /// The order can't be amended so. Metadata: rule.
    AmendNotAllowed = 330,
    /// The kill switch of the account is thrown.
    KillSwitchActive = 331,
    /// Trading is halted.
    MarketHalted = 332,
    /// A reduce-only order would increase the position.
    ReduceOnlyIncreases = 333,
    /// The batch has too many items. Metadata: count, maximum.
    BatchTooLarge = 334,
    /// The stream can't resume that far back. Metadata: `from_sequence`, `oldest_sequence`.
    SeqGap = 335,
    /// The batch has no items.
    BatchEmpty = 336,
    /// The order type is missing or unknown.
    OrderTypeInvalid = 337,
    /// The side is missing or unknown.
    SideInvalid = 338,
    /// The client order ID is not 1 to 36 printable ASCII characters.
    ClientOrderIdInvalid = 339,
    /// There is no such trading account of the caller.
    AccountUnknown = 340,
    /// The account may only close what is open.
    AccountRestricted = 341,
    /// The price lies outside what the instrument can hold. Metadata: price, low, high.
    PriceRange = 342,
    /// The engine's queue is full; nothing was entered.
    EngineOverloaded = 343,
    /// The engine takes no orders: its journal failed or it is stopping. Whether the order was entered is not known; repeat with the same ID.
    EngineStopped = 344,
    /// The kind of order is published and not built yet. Metadata: feature.
    OrderTypeUnsupported = 345,
    /// The engine holds as many open orders as it can.
    BookFull = 346,
    /// A product of price and quantity is larger than an account can hold.
    AmountOverflow = 347,
    /// The self-trade prevention is unknown.
    SelfTradeModeInvalid = 348,
    /// This server follows another one, which takes the orders; nothing was entered. Metadata: leader.
    NotLeader = 349,
    /// The trade was busted or corrected already.
    TradeAlreadyCorrected = 402,
    /// There is no such trade of the caller. Metadata: `trade_id`.
    TradeUnknown = 405,
}

/// A refusal: the reason and the numbers its message mentions, in the core's own units.
///
/// What `values` mean depends on the reason; the wire layer turns them into named decimals with
/// the help of `instrument` and `asset`. Unused ones are zero.
///
/// | reason | values |
/// |---|---|
/// | `PriceTick` | price in millionths, tick in millionths |
/// | `PriceLimit`, `PriceBand`, `PriceRange` | price, low, high in ticks |
/// | `QuantityMin`, `QuantityMax`, `QuantityLot` | quantity, bound in lots |
/// | `NotionalMax` | notional, maximum in minor units |
/// | `InsufficientFunds`, `InsufficientInventory` | needed, available in minor units of `asset` |
/// | `OpenOrdersLimit`, `PositionLimit` | maximum |
/// | `FokUnfillable`, `MinQtyUnfillable` | lots available |
/// | `InstrumentNotTrading`, `OrderNotAllowedInPhase` | number of the phase |
/// | `OrderClosed` | number of the order's status |
/// | `VersionConflict` | expected, actual |
/// | `BatchTooLarge` | count, maximum |
/// | `KycLevelRequired` | level |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The instrument it is about, for units and names.
    pub instrument: Option<InstrumentNumber>,
    /// The asset it is about, for units and names.
    pub asset: Option<AssetNumber>,
    /// The numbers the message mentions.
    pub values: [i64; 3],
}

impl Refusal {
    /// Returns a refusal whose message mentions no numbers.
    #[must_use]
    pub const fn plain(reason: Reason) -> Self {
        Self { reason, instrument: None, asset: None, values: [0; 3] }
    }
}

impl Refusal {
    /// Returns a refusal about an instrument.
    #[must_use]
    pub const fn about(instrument: InstrumentNumber, reason: Reason, values: [i64; 3]) -> Self {
        Self { reason, instrument: Some(instrument), asset: None, values }
    }

    /// Returns a refusal about an asset.
    #[must_use]
    pub const fn of_asset(asset: AssetNumber, reason: Reason, values: [i64; 3]) -> Self {
        Self { reason, instrument: None, asset: Some(asset), values }
    }
}
