//! One request: decoded, decided, encoded for the journal and for the caller.

use super::apply::TOGETHER;
use super::{Reply, Request};
use crate::codec;
use crate::command::{Command, CommandKey, NewOrder};
use crate::engine::{Admission, Engine, command_key, item_key};
use crate::error::{Reason, Refusal};
use crate::event::{OrderState, Outcome, Silent};
use crate::types::{
    AccountNumber, CancelReason, OrderId, OrderStatus, OrderType, QuantityLots, Sequence,
    TimestampNs,
};
use crate::wire::Denial;
use crate::wire::describe::describe;
use crate::wire::put;
use crate::wire::replies::{self, Change};
use crate::wire::requests::{self, Instruction, Instructions};

/// Kinds of keys; see [`command_key`].
const CLIENT_ORDER_ID: u8 = 1;
const IDEMPOTENCY_KEY: u8 = 2;
const INSTRUCTION: u8 = 3;

/// An engine whose commands go into the group that is being gathered.
pub(crate) struct Journalled<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) payload: &'a mut Vec<u8>,
    pub(crate) count: &'a mut u32,
    pub(crate) time: TimestampNs,
}

impl Journalled<'_> {
    /// Journals and applies a command that was admitted.
    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        let sequence = Sequence(self.engine.last_sequence().0.saturating_add(1));
        codec::encode(command, self.payload);
        *self.count = self.count.saturating_add(1);
        self.engine.apply(sequence, self.time, command, &mut Silent)
    }

    fn submit(&mut self, command: &Command) -> Result<Outcome, Refusal> {
        match self.engine.admit(command) {
            Admission::Apply => Ok(self.apply(command)),
            Admission::Repeat(outcome) => Ok(outcome),
            Admission::Refused(refusal) => Err(refusal),
        }
    }

    /// Carries out a command; a refusal becomes one in the words of the API.
    fn carry_out(&mut self, command: &Command, id: OrderId) -> Result<Outcome, Denial> {
        let outcome = self.submit(command).and_then(|outcome| match outcome.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(outcome),
        });
        outcome.map_err(|refusal| describe(&refusal, self.engine, id))
    }
}

pub(crate) fn execute(core: &mut Journalled<'_>, request: Request) -> Result<Reply, Denial> {
    match request {
        Request::Create { account, key, message } => create(core, account, &key, &message),
        Request::Cancel { account, key, message } => cancel(core, account, &key, &message),
        Request::Amend { account, key, message } => amend(core, account, &key, &message),
        Request::Batch { account, message } => batch(core, account, &message),
        Request::Session { account, message } => session(core, account, &message),
        Request::MassCancel { account, message } => mass_cancel(core, account, &message),
        Request::Control(command) => core.carry_out(&command, OrderId(0)).map(Reply::Outcome),
    }
}

fn call_key(account: AccountNumber, key: &[u8]) -> CommandKey {
    if key.is_empty() {
        return CommandKey(0);
    }
    command_key(account, IDEMPOTENCY_KEY, key)
}

fn own_account(core: &Journalled<'_>, account: AccountNumber, named: &str) -> Result<(), Denial> {
    let own = core.engine.account(account);
    let own = own.ok_or_else(|| Denial::plain(Reason::AccountUnknown))?;
    if named.is_empty() || named.as_bytes() == replies::ulid(&own.id) {
        return Ok(());
    }
    Err(Denial::plain(Reason::AccountUnknown))
}

fn create(
    core: &mut Journalled<'_>,
    account: AccountNumber,
    key: &[u8],
    message: &[u8],
) -> Result<Reply, Denial> {
    let request = requests::create_order(message, account, core.engine)?;
    own_account(core, account, request.account_id)?;
    let mut order = request.order;
    order.key = if order.client_order_id.is_none() {
        call_key(account, key)
    } else {
        command_key(account, CLIENT_ORDER_ID, order.client_order_id.as_bytes())
    };
    let command = Command::NewOrder(order);
    let outcome =
        core.carry_out(&command, OrderId(0)).map_err(|denial| name_id(denial, &order, key))?;
    let mut state = replies::entered(&order, &outcome, core.engine);
    if order.order_type == OrderType::MarketToLimit
        && let Some(open) = core.engine.order(outcome.order_id)
    {
        // Its price came from the market.
        state.price = open.price;
    }
    Ok(order_reply(core, &state, &outcome))
}

/// Names the ID or key that came before with something else.
fn name_id(denial: Denial, order: &NewOrder, key: &[u8]) -> Denial {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match denial.reason {
        Reason::DuplicateClientOrderId => {
            denial.and("client_order_id", text(order.client_order_id.as_bytes()))
        }
        Reason::IdempotencyKeyReused => Denial::with(denial.reason, "key", text(key)),
        _ => denial,
    }
}

fn order_reply(core: &Journalled<'_>, state: &OrderState, outcome: &Outcome) -> Reply {
    let mut out = Vec::with_capacity(256);
    let change = Change { sequence: outcome.sequence.0, time_ns: outcome.time.0 };
    replies::order(&mut out, 1, state, change, core.engine);
    Reply::Bytes(out)
}

fn cancel(
    core: &mut Journalled<'_>,
    account: Option<AccountNumber>,
    key: &[u8],
    message: &[u8],
) -> Result<Reply, Denial> {
    let order_id = requests::cancel_order(message)?;
    let before = core.engine.order(order_id);
    let reason = if account.is_some() { CancelReason::User } else { CancelReason::Admin };
    let key = account.map_or(CommandKey(0), |account| call_key(account, key));
    let command = Command::CancelOrder { account, order_id, reason, key };
    let outcome = core.carry_out(&command, order_id)?;
    Ok(changed_reply(core, before.as_ref(), &outcome))
}

/// Returns an order after its change. A repeat finds the order as it is, or gone.
fn changed_reply(core: &Journalled<'_>, before: Option<&OrderState>, outcome: &Outcome) -> Reply {
    let now = core.engine.order(outcome.order_id);
    let change = Change { sequence: outcome.sequence.0, time_ns: outcome.time.0 };
    let mut out = Vec::with_capacity(256);
    if let Some(state) = now.as_ref().or(before) {
        let state = replies::after(state, outcome);
        replies::order(&mut out, 1, &state, change, core.engine);
    } else {
        put::message(&mut out, 1, |out| {
            put::uint(out, 1, outcome.order_id.0);
            put::uint(out, 11, outcome.filled.0.into());
            put::uint(out, 14, outcome.status.number().into());
            put::uint(out, 16, outcome.cancel_reason.map_or(0, CancelReason::number).into());
            put::uint(out, 23, change.sequence);
            put::timestamp(out, 25, change.time_ns);
            put::uint(out, 26, outcome.version.into());
        });
    }
    Reply::Bytes(out)
}

fn amend(
    core: &mut Journalled<'_>,
    account: AccountNumber,
    key: &[u8],
    message: &[u8],
) -> Result<Reply, Denial> {
    let request = requests::amend_order(message, core.engine)?;
    let before = core.engine.order(request.order_id);
    if before.is_none_or(|order| order.account != account) {
        return Err(Denial::with(Reason::OrderNotFound, "order_id", request.order_id.0));
    }
    let command = Command::AmendOrder {
        account,
        order_id: request.order_id,
        price: request.price,
        quantity: request.quantity,
        expected_version: request.expected_version,
        key: call_key(account, key),
    };
    let outcome = core.carry_out(&command, request.order_id)?;
    // An amended order that filled at once is gone from the book: say what it became.
    let before = before.map(|state| OrderState {
        price: request.price.unwrap_or(state.price),
        quantity: request.quantity.unwrap_or(state.quantity),
        ..state
    });
    Ok(changed_reply(core, before.as_ref(), &outcome))
}

fn batch(
    core: &mut Journalled<'_>,
    account: AccountNumber,
    message: &[u8],
) -> Result<Reply, Denial> {
    let batch = requests::batch(message, account)?;
    own_account(core, account, &batch.account_id)?;
    let mut out = Vec::with_capacity(batch.items.len().saturating_mul(32));
    let last = acks(core, account, &batch, 1, &mut out);
    put::uint(&mut out, 2, last.0);
    Ok(Reply::Bytes(out))
}

fn session(
    core: &mut Journalled<'_>,
    account: AccountNumber,
    message: &[u8],
) -> Result<Reply, Denial> {
    let session = requests::session(message, account)?;
    own_account(core, account, "")?;
    let mut out = Vec::with_capacity(session.items.len().saturating_mul(32));
    put::bytes(&mut out, 1, session.request_id.as_bytes());
    let last = acks(core, account, &session, 2, &mut out);
    put::uint(&mut out, 3, last.0);
    Ok(Reply::Bytes(out))
}

/// Carries out instructions in order and answers each; returns the last sequence.
fn acks(
    core: &mut Journalled<'_>,
    account: AccountNumber,
    instructions: &Instructions,
    field: u32,
    out: &mut Vec<u8>,
) -> Sequence {
    let mut last = Sequence(0);
    let batch = match instructions.request_id.as_bytes() {
        [] => None,
        id => Some(command_key(account, INSTRUCTION, id)),
    };
    let mut keys = [CommandKey(0); TOGETHER];
    let mut indexes = 0..;
    for items in instructions.items.chunks(TOGETHER) {
        for ((key, item), index) in keys.iter_mut().zip(items).zip(&mut indexes) {
            *key = key_of_item(account, batch, index, item);
        }
        core.engine.prepare(keys.iter().copied().take(items.len()));
        for (item, &key) in items.iter().zip(&keys) {
            let outcome = carry_out_item(core, account, item, key);
            last = last.max(outcome.sequence);
            replies::ack(out, field, &outcome);
        }
    }
    last
}

fn key_of_item(
    account: AccountNumber,
    batch: Option<CommandKey>,
    index: u32,
    item: &Instruction,
) -> CommandKey {
    match item {
        Instruction::Create(order) if !order.client_order_id.is_none() => {
            command_key(account, CLIENT_ORDER_ID, order.client_order_id.as_bytes())
        }
        _ => batch.map_or(CommandKey(0), |batch| item_key(account, batch, index)),
    }
}

fn carry_out_item(
    core: &mut Journalled<'_>,
    account: AccountNumber,
    item: &Instruction,
    key: CommandKey,
) -> Outcome {
    let (command, order_id) = match *item {
        Instruction::Create(mut order) => {
            order.key = key;
            (Command::NewOrder(order), OrderId(0))
        }
        Instruction::Cancel(order_id) => {
            let (account, reason) = (Some(account), CancelReason::User);
            (Command::CancelOrder { account, order_id, reason, key }, order_id)
        }
        Instruction::Amend(order_id, price, quantity) => {
            let expected_version = 0;
            let command =
                Command::AmendOrder { account, order_id, price, quantity, expected_version, key };
            (command, order_id)
        }
        Instruction::Refused(reason) => return refused(Refusal::plain(reason), OrderId(0)),
    };
    core.submit(&command).unwrap_or_else(|refusal| refused(refusal, order_id))
}

/// Returns the answer to an instruction that was refused before the journal.
fn refused(refusal: Refusal, order_id: OrderId) -> Outcome {
    Outcome {
        order_id,
        sequence: Sequence(0),
        time: TimestampNs(0),
        status: OrderStatus::Rejected,
        filled: QuantityLots(0),
        filled_notional_ticks: 0,
        remaining: QuantityLots(0),
        fees_minor: 0,
        version: 0,
        cancel_reason: None,
        refusal: Some(refusal),
    }
}

fn mass_cancel(
    core: &mut Journalled<'_>,
    account: AccountNumber,
    message: &[u8],
) -> Result<Reply, Denial> {
    let filter = requests::mass_cancel(message, core.engine)?;
    let command = Command::MassCancel {
        account: Some(account),
        instrument: filter.instrument,
        side: filter.side,
        reason: CancelReason::User,
    };
    let outcome = core.carry_out(&command, OrderId(0))?;
    let mut out = Vec::new();
    put::uint(&mut out, 1, outcome.remaining.0.into());
    put::uint(&mut out, 2, outcome.sequence.0);
    Ok(Reply::Bytes(out))
}
