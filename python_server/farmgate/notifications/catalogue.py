"""What people are told: one row a type, with its severity, its words and where it goes.

Source: the notifications catalogue of the product's specification.
"""

from typing import Final, NamedTuple

INFO: Final = 1
SUCCESS: Final = 2
WARN: Final = 3
CRITICAL: Final = 4
IN_APP: Final = 1
EMAIL: Final = 2
WEBHOOK: Final = 3


class Kind(NamedTuple):
    """A type of notification.

    Attributes:
        severity: 1 info, 2 success, 3 warning, 4 critical.
        title: A template over the data.
        body: A template over the data.
        channels: Where it goes unless its reader chose otherwise: i in-app, e e-mail, w webhook.
        is_urgent: Whether quiet hours do not hold it back.
    """

    severity: int
    title: str
    body: str
    channels: str = "iew"
    is_urgent: bool = False


# fmt: off
KINDS: Final[dict[str, Kind]] = {
    "auth.new_login": Kind(INFO, "New sign-in", "Your account was signed in to from {ip} ({device}).", "ie"),
    "auth.password_changed": Kind(WARN, "Password changed", "The password of your account was changed.", "ie"),
    "auth.refresh_reuse": Kind(CRITICAL, "Session ended for safety", "A refresh token was used twice. All sessions of that sign-in were ended.", "ie", is_urgent=True),
    "auth.mfa_enabled": Kind(INFO, "Second factor on", "Signing in to your account needs a code from now on.", "ie"),
    "auth.mfa_disabled": Kind(CRITICAL, "Second factor off", "Signing in to your account needs no code any more.", "ie", is_urgent=True),
    "auth.recovery_code_used": Kind(WARN, "Recovery code used", "Somebody signed in to your account by a recovery code.", "ie"),
    "auth.key_created": Kind(WARN, "API key made", "The key {name} may {scopes} for your account.", "ie"),
    "user.welcome": Kind(SUCCESS, "Welcome to Farmgate", "Your account is open, {name}.", "i"),
    "kyc.submitted": Kind(INFO, "Documents handed in", "Your application for level {level} is waiting for review."),
    "kyc.needs_info": Kind(WARN, "Something is missing", "Your application for level {level} needs more: {reason}"),
    "kyc.approved": Kind(SUCCESS, "Level {level} granted", "Your application for level {level} was approved."),
    "kyc.rejected": Kind(WARN, "Application rejected", "Your application for level {level} was rejected: {reason}"),
    "kyc.revoked": Kind(CRITICAL, "Level revoked", "Your level {level} was revoked: {reason}", is_urgent=True),
    "wallet.deposit": Kind(SUCCESS, "{amount} {asset} came in", "{amount} {asset} were credited to your account."),
    "wallet.withdrawal": Kind(INFO, "{amount} {asset} went out", "{amount} {asset} were taken out of your account."),
    "wallet.linked": Kind(INFO, "Wallet linked", "The wallet {address} is now yours on Farmgate."),
    "wallet.unlinked": Kind(WARN, "Wallet unlinked", "The wallet {address} is no longer linked."),
    "account.status_changed": Kind(CRITICAL, "Account {status}", "The exchange changed the status of your account: {reason}", is_urgent=True),
    "trade.executed": Kind(SUCCESS, "{side} {lots} lots of {symbol}", "{lots} lots of {symbol} at {price}.", "iw"),
    "trade.busted": Kind(CRITICAL, "Trade {trade_id} busted", "Trade {trade_id} in {symbol} was undone: {reason}", is_urgent=True),
    "trade.corrected": Kind(CRITICAL, "Trade {trade_id} corrected", "Trade {trade_id} in {symbol} was corrected: {reason}", is_urgent=True),
    "trade.confirmation": Kind(INFO, "Your trades of {date}", "{count} trades of {date} are confirmed; the statement of the day is drawn up."),
    "trade.block_reported": Kind(INFO, "Block of {symbol} waits for you", "Somebody reports {lots} lots of {symbol} at {price}: {side}. Report the same to make it a trade.", "iw"),
    "market.halted": Kind(CRITICAL, "{symbol} halted", "Trading in {symbol} was halted: {reason}", "iw", is_urgent=True),
    "market.resumed": Kind(INFO, "{symbol} resumed", "Trading in {symbol} goes on.", "iw"),
    "alert.triggered": Kind(INFO, "{symbol}: {condition} {threshold}", "{symbol} is at {value}. {note}", "iew"),
    "contract.proposed": Kind(INFO, "Contract {number} proposed", "{counterparty} proposes contract {number}: {summary}."),
    "contract.countered": Kind(INFO, "Contract {number} countered", "{counterparty} answered with other terms for {number}."),
    "contract.signature_required": Kind(WARN, "Sign contract {number}", "Contract {number} waits for your signature until {sign_by}."),
    "contract.signed_by_counterparty": Kind(INFO, "Contract {number} signed by the other party", "{counterparty} signed contract {number}."),
    "contract.signed": Kind(SUCCESS, "Contract {number} signed", "Both parties signed contract {number}."),
    "contract.declined": Kind(WARN, "Contract {number} declined", "Contract {number} was declined."),
    "contract.expired": Kind(WARN, "Contract {number} expired", "Contract {number} was not signed in time."),
    "contract.chain_confirmed": Kind(SUCCESS, "Contract {number} on the chain", "The chain confirmed contract {number}."),
    "contract.chain_failed": Kind(CRITICAL, "Contract {number} refused by the chain", "The chain refused contract {number}."),
    "contract.deposit_due": Kind(WARN, "Deposit for {number} due", "Contract {number} waits for a deposit of {amount} {currency}."),
    "contract.active": Kind(SUCCESS, "Contract {number} in force", "Contract {number} is in force."),
    "contract.price_fixed": Kind(INFO, "Price of {number} fixed", "{quantity} of contract {number} were priced at {price}."),
    "contract.settled": Kind(SUCCESS, "Contract {number} settled", "Contract {number} is settled."),
    "contract.cancelled": Kind(WARN, "Contract {number} cancelled", "Contract {number} was cancelled: {reason}."),
    "delivery.scheduled": Kind(INFO, "Delivery {ticket} announced", "A delivery on contract {number} was announced for {day}."),
    "delivery.graded": Kind(INFO, "Delivery {ticket} graded", "Delivery {ticket} on contract {number} was graded: {grade}."),
    "delivery.accepted": Kind(SUCCESS, "Delivery {ticket} accepted", "{quantity} count for contract {number}."),
    "delivery.rejected": Kind(WARN, "Delivery {ticket} rejected", "Delivery {ticket} on contract {number} was rejected."),
    "settlement.issued": Kind(INFO, "Statement on {number}", "Statement {statement} on contract {number} comes to {net} {currency}."),
    "settlement.accepted": Kind(INFO, "Statement on {number} accepted", "Statement {statement} on contract {number} was accepted."),
    "settlement.paid": Kind(SUCCESS, "Statement on {number} paid", "{net} {currency} were paid on contract {number}."),
    "settlement.overdue": Kind(WARN, "Payment on {number} overdue", "Statement {statement} on contract {number} was to be paid by {due}.", is_urgent=True),
    "contract.deposit_call": Kind(CRITICAL, "More deposit for {number}", "The price moved: contract {number} calls for {amount} {currency} more in deposit.", is_urgent=True),
    "contract.sign_reminder": Kind(WARN, "Sign contract {number} soon", "Contract {number} can be signed until {sign_by}."),
    "contract.cancel_proposed": Kind(INFO, "Cancel contract {number}?", "{counterparty} proposes to cancel contract {number}."),
    "contract.settle_agreed": Kind(INFO, "Settle contract {number}?", "{counterparty} agrees to settle contract {number}."),
    "contract.closing_short": Kind(WARN, "Contract {number} closes short", "Contract {number} ends short of its quantity ({reason}); {liability} is owed for it."),
    "contract.firm_offer_filled": Kind(SUCCESS, "Firm offer on {number} filled", "{quantity} of contract {number} were priced at the target {price}."),
    "contract.delivery_window_open": Kind(INFO, "Deliver on {number}", "The delivery window of contract {number} is open until {end}."),
    "contract.delivery_window_closing": Kind(WARN, "Delivery window of {number} closes", "{days} days are left to deliver on contract {number}."),
    "contract.pricing_deadline": Kind(WARN, "Price contract {number}", "{days} days are left to fix the price of contract {number}."),
    "delivery.resample": Kind(INFO, "Delivery {ticket} graded again", "A second inspector grades delivery {ticket} on contract {number}."),
    "amendment.proposed": Kind(INFO, "Change of {number} proposed", "{counterparty} proposes a change of contract {number}; sign it until {sign_by}."),
    "amendment.signed_by_counterparty": Kind(INFO, "Change of {number} signed by the other party", "{counterparty} signed the change of contract {number}."),
    "amendment.signed": Kind(SUCCESS, "Change of {number} agreed", "Contract {number} has new terms."),
    "amendment.rejected": Kind(INFO, "Change of {number} rejected", "The proposed change of contract {number} was rejected."),
    "amendment.expired": Kind(INFO, "Change of {number} not signed", "The proposed change of contract {number} was not signed in time."),
    "amendment.chain_confirmed": Kind(INFO, "Change of {number} on the chain", "The chain confirmed the new terms of contract {number}."),
    "amendment.chain_failed": Kind(CRITICAL, "Change of {number} refused by the chain", "The chain refused the new terms of contract {number}."),
    "dispute.opened": Kind(WARN, "Dispute on {number}", "A dispute was opened on contract {number}; answer it until {answer_by}."),
    "dispute.answered": Kind(INFO, "Dispute on {number} answered", "The dispute on contract {number} was answered."),
    "dispute.withdrawn": Kind(INFO, "Dispute on {number} withdrawn", "The dispute on contract {number} was taken back."),
    "dispute.in_review": Kind(INFO, "Dispute on {number} in review", "An arbitrator reviews the dispute on contract {number}."),
    "dispute.ruled": Kind(WARN, "Dispute on {number} ruled", "The dispute on contract {number} was ruled."),
    "fm.notified": Kind(WARN, "Contract {number} suspended", "{counterparty} gave notice of force majeure on contract {number}; it is suspended until {suspend_until}."),
    "fm.ended": Kind(INFO, "Contract {number} goes on", "The suspension of contract {number} is over."),
    "default.declared": Kind(CRITICAL, "Default on {number}", "A default was declared on contract {number}; the remedy is chosen until {choose_by}.", is_urgent=True),
    "default.remedy_chosen": Kind(WARN, "Remedy on {number} chosen", "Contract {number} ends at the market price of {close}."),
    "washout.proposed": Kind(INFO, "Washout of {number} proposed", "{counterparty} proposes to end contract {number} at {price}; {amount} are to be paid."),
    "receipt.issued": Kind(SUCCESS, "Receipt {number}", "{quantity} {unit} of {asset} lie in store for you.", "ie"),
    "forecast.updated": Kind(INFO, "New forecast for {symbol}", "The forecast for {symbol} was renewed.", "i"),
    "forecast.breach": Kind(WARN, "{symbol} left its forecast", "On {date} {symbol} was at {price}, outside the 90 % range {low} to {high} of its forecast.", "i"),
    "model.promoted": Kind(INFO, "Model {version} in use", "Forecasts of {symbol} come from model {version}.", "i"),
    "org.invited": Kind(INFO, "Invitation of {organization}", "{organization} invites you to join as {role}.", "ie"),
    "org.member_joined": Kind(INFO, "{name} joined", "{name} joined {organization}.", "ie"),
    "org.member_removed": Kind(INFO, "{name} left", "{name} does not belong to {organization} any more.", "ie"),
    "admin.model_failing": Kind(CRITICAL, "Model {version} fails", "Over its newest forecasts the 95 % range held {inside_95} of prices and the loss was {ratio} of a random walk's. It is used without its third member.", "ie"),
    "system.announcement": Kind(INFO, "{title}", "{body}", "ie"),
    "webhook.disabled": Kind(WARN, "Webhook disabled", "The webhook to {url} failed too long and was disabled.", "ie"),
    "admin.chain_stalled": Kind(CRITICAL, "Chain operation stalled", "Operation {operation_id} has waited for an hour.", "ie", is_urgent=True),
    "admin.ledger_imbalance": Kind(CRITICAL, "The ledger is wrong: {about}", "The audit of the ledger found that {words}. Halt trading in {about} until it is explained.", "ie", is_urgent=True),
    "admin.job_dead": Kind(CRITICAL, "Job {kind} given up", "Job {job_id} failed for good: {error}", "ie", is_urgent=True),
    "admin.replay_mismatch": Kind(CRITICAL, "Replay differs", "The journal replayed to another state at {sequence}.", "ie", is_urgent=True),
    "kyc.expiring": Kind(WARN, "Level {level} ends on {date}", "Apply anew before {date} to keep level {level}."),
    "wallet.low_balance": Kind(WARN, "Little {asset} left", "{amount} {asset} are left in your account."),
    "order.rejected": Kind(WARN, "Order for {symbol} rejected", "Your order for {lots} lots of {symbol} was rejected: {reason}", "iw"),
    "order.cancelled": Kind(INFO, "Order for {symbol} cancelled", "Your order for {symbol} was cancelled: {reason}", "iw"),
    "order.expired": Kind(INFO, "Order for {symbol} expired", "Your order for {symbol} was not filled in time.", "iw"),
    "order.triggered": Kind(INFO, "Order for {symbol} triggered", "Your stop order for {symbol} is in the market.", "iw"),
    "market.auction_started": Kind(INFO, "Auction in {symbol}", "An auction in {symbol} has begun and ends at {ends_at}.", "iw"),
    "market.price_limit_hit": Kind(WARN, "{symbol} at its limit", "{symbol} reached its price limit {limit}.", "iw"),
    "market.settlement_published": Kind(INFO, "{symbol} settled at {price}", "The settlement price of {symbol} for {date} is {price}.", "iw"),
    "market.instrument_listed": Kind(INFO, "{symbol} listed", "{symbol} can be traded from {date}.", "iw"),
    "market.instrument_expiring": Kind(WARN, "{symbol} ends on {date}", "{date} is the last day of trading in {symbol}.", "iw"),
    "receipt.storage_due": Kind(WARN, "Storage of receipt {number} due", "Storage of receipt {number} is paid until {date}.", "ie"),
    "system.maintenance": Kind(WARN, "Maintenance on {date}", "{body}", "ie"),
    "system.terms_changed": Kind(INFO, "Terms changed", "{body}", "ie"),
    "admin.trade_review": Kind(WARN, "Review of trade {trade_id}", "A party of trade {trade_id} in {symbol} asks for its review: {reason}", "ie"),
    "admin.kyc_queue": Kind(INFO, "KYC case waiting", "A case for level {level} waits for review.", "i"),
    "admin.config_changed": Kind(WARN, "{key} changed", "{key} is now {value}: {reason}", "ie"),
}
# fmt: on
_FALLBACK: Final = Kind(INFO, "{type}", "", "i")


class _Values(dict[str, object]):
    """Data of a template; what is missing is left out."""

    def __missing__(self, key: str) -> str:
        return ""


def kind_of(type_: str) -> Kind:
    """Returns the row of a type."""
    return KINDS.get(type_, _FALLBACK)


def worded(type_: str, data: dict[str, object]) -> tuple[str, str]:
    """Returns title and body of a notification."""
    kind = kind_of(type_)
    values = _Values({"type": type_} | data)
    title = " ".join(kind.title.format_map(values).split())
    return title[:200], kind.body.format_map(values).strip()[:1000]


def category_of(type_: str) -> str:
    """Returns the category, such as "contract" for "contract.signed"."""
    return type_.partition(".")[0]


def is_known(name: str) -> bool:
    """Returns whether a type, a category or "*" for all is known."""
    return name == "*" or name in KINDS or any(category_of(kind) == name for kind in KINDS)


def matches(name: str, type_: str) -> bool:
    """Returns whether a name of a subscription or a preference means a type."""
    return name in {"*", type_, category_of(type_)}
