//! The core's own words: identifiers, units and the small enumerations of the trade.
//!
//! Enumerations carry the numbers of their protobuf twins, so the wire layer converts nothing.

use core::fmt;

/// Bits of an [`OrderId`] that name the slot of the order.
pub const SLOT_BITS: u32 = 24;
/// The slot of an order that can't rest. Also the number of orders that may rest at a time.
pub const NO_SLOT: u32 = (1 << SLOT_BITS) - 1;

/// An order's identity: a number that rises with every order the engine takes, and the slot where
/// the order rests. One array read and one comparison find a resting order or tell that it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OrderId(pub u64);

impl OrderId {
    /// Joins an order number, `1..2^40`, and a slot, `0..=NO_SLOT`.
    #[must_use]
    pub const fn new(number: u64, slot: u32) -> Self {
        Self((number << SLOT_BITS) | (slot & NO_SLOT) as u64)
    }

    /// Returns the rising order number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 >> SLOT_BITS
    }

    /// Returns the slot, [`NO_SLOT`] for an order that can't rest.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "masked to 24 bits")]
    pub const fn slot(self) -> u32 {
        self.0 as u32 & NO_SLOT
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Position of a command in the journal of its shard, from 1.
    Sequence, u64);
number!(
    /// Nanoseconds since 1970 UTC.
    TimestampNs, u64);
number!(
    /// A price in ticks of its instrument.
    PriceTicks, i64);
number!(
    /// A quantity in lots of its instrument.
    QuantityLots, u32);
number!(
    /// Dense number of a trading account in its shard, from 0.
    AccountNumber, u32);
number!(
    /// Dense number of a beneficial owner; self-trade prevention compares these.
    OwnerNumber, u32);
number!(
    /// Dense number of an instrument, from 1.
    InstrumentNumber, u32);
number!(
    /// Dense number of an asset, from 1.
    AssetNumber, u32);

/// In a command that opens an account: it is its own beneficial owner.
pub const OWN_OWNER: OwnerNumber = OwnerNumber(u32::MAX);
/// The account that the exchange's own fees go to.
pub const FEE_ACCOUNT: AccountNumber = AccountNumber(0);

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $n:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $n,)* }

        impl $name {
            /// Returns the value with the protobuf number, or `None`.
            #[must_use]
            pub const fn from_number(number: u64) -> Option<Self> {
                match number { $($n => Some(Self::$variant),)* _ => None }
            }

            /// Returns the protobuf number.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

numbered!(
    /// Side of an order.
    Side {
        /// Buys.
        Buy = 1,
        /// Sells.
        Sell = 2,
    }
);

impl Side {
    /// Returns the other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

numbered!(
    /// How an order is priced.
    OrderType {
        /// At the limit or better.
        Limit = 1,
        /// At the best prices within the protection range.
        Market = 2,
        /// As market; the rest becomes a limit at the last fill price.
        MarketToLimit = 3,
        /// Market once triggered.
        Stop = 4,
        /// Limit once triggered.
        StopLimit = 5,
    }
);

numbered!(
    /// How long an order stays.
    TimeInForce {
        /// To the end of the business day.
        Day = 1,
        /// Until cancelled.
        Gtc = 2,
        /// Until a time.
        Gtd = 3,
        /// Not at all: the rest is cancelled.
        Ioc = 4,
        /// Whole at once or not at all.
        Fok = 5,
        /// For the next auction.
        Gfa = 6,
    }
);

numbered!(
    /// What happens when an order meets one of its own beneficial owner.
    SelfTradePrevention {
        /// The rest of the incoming order is cancelled.
        CancelNewest = 1,
        /// The resting order is cancelled.
        CancelOldest = 2,
        /// Both are cancelled.
        CancelBoth = 3,
        /// Both shrink by the smaller quantity.
        Decrement = 4,
        /// They trade.
        None = 5,
    }
);

numbered!(
    /// State of an order.
    OrderStatus {
        /// In the book, nothing filled.
        New = 1,
        /// In the book, some filled.
        PartiallyFilled = 2,
        /// All filled.
        Filled = 3,
        /// The rest cancelled.
        Cancelled = 4,
        /// The rest expired.
        Expired = 5,
        /// Refused.
        Rejected = 6,
        /// Waiting for its stop price.
        TriggerWait = 7,
    }
);

impl OrderStatus {
    /// Tells whether an order in this state may still trade.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::New | Self::PartiallyFilled | Self::TriggerWait)
    }
}

numbered!(
    /// Why the rest of an order was cancelled.
    CancelReason {
        /// By its owner.
        User = 1,
        /// Rest of an immediate order.
        IocRemainder = 2,
        /// It could not fill whole.
        Fok = 3,
        /// It would have met its own owner.
        SelfTrade = 4,
        /// Its time ran out.
        Expired = 5,
        /// Trading was halted.
        Halt = 6,
        /// The kill switch was thrown.
        KillSwitch = 7,
        /// Its session was lost.
        Disconnect = 8,
        /// By the exchange.
        Admin = 9,
        /// Its instrument ended.
        InstrumentExpired = 10,
        /// A trade was corrected.
        Correction = 11,
        /// It could only have increased the position.
        ReduceOnly = 12,
        /// The auction it was for is over.
        AuctionOver = 13,
    }
);

numbered!(
    /// What can be switched on for an account.
    Switch {
        /// Only cancellations, by the exchange.
        Restricted = 1,
        /// Only cancellations, by its own kill switch.
        Killed = 2,
        /// Orders that are not good till cancelled end with the session.
        CancelOnDisconnect = 3,
        /// No forwards: its owner is not known well enough for them.
        NoForwards = 4,
    }
);

numbered!(
    /// Phase of an instrument.
    Phase {
        /// Being prepared.
        Draft = 1,
        /// Published, not open yet.
        Listed = 2,
        /// Orders gather before an auction.
        PreOpen = 3,
        /// Auction call.
        Auction = 4,
        /// Continuous trading.
        Open = 5,
        /// Only cancellations.
        Halted = 6,
        /// The day is over.
        Closed = 7,
        /// The last trading time has passed.
        Expired = 8,
        /// Gone.
        Delisted = 9,
    }
);

impl Phase {
    /// Tells whether orders gather without trading.
    #[must_use]
    pub const fn is_call(self) -> bool {
        matches!(self, Self::PreOpen | Self::Auction)
    }
}

numbered!(
    /// How a trade came about.
    TradeKind {
        /// An order met one that rested.
        Normal = 1,
        /// An auction.
        Auction = 2,
        /// Agreed outside the book.
        Block = 3,
    }
);

numbered!(
    /// How lots are shared among the orders of one price.
    Allocation {
        /// The earliest order first.
        Fifo = 1,
        /// The order that bettered the market first, then in proportion, then the earliest.
        ProRata = 2,
        /// A share to the earliest, the rest in proportion, then the earliest.
        Split = 3,
    }
);

numbered!(
    /// What an instrument is.
    InstrumentKind {
        /// The commodity itself, now.
        Spot = 1,
        /// A delivery later, against deposits.
        Forward = 2,
        /// A figure that is not traded.
        Index = 3,
    }
);
