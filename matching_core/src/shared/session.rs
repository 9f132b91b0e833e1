//! A connection to the database, each statement with a deadline.

use std::error::Error as _;
use std::str::FromStr;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};

use super::SharedOptions;
use crate::journal::{GroupHeader, JournalError};

/// A caller is told within a second that the database does not answer.
const STATEMENT: Duration = Duration::from_millis(800);
/// Groups fetched at once; one has 16 MiB at most and 2 MiB as a rule.
const FETCH_GROUPS: i64 = 16;
/// Why this connection is there, for whoever looks at the database.
const NAME: &str = "farmgate-journal";

const TAKE: &str = "INSERT INTO journal_leases (shard, epoch, holder, address, expire_time) \
    VALUES ($1, 1, $2, $3, clock_timestamp() + $4::bigint::float8 * interval '1 millisecond') \
    ON CONFLICT (shard) DO UPDATE SET epoch = journal_leases.epoch + 1, \
    holder = excluded.holder, address = excluded.address, expire_time = excluded.expire_time \
    WHERE journal_leases.expire_time < clock_timestamp() \
    OR journal_leases.holder = excluded.holder RETURNING epoch";
const RENEW: &str = "UPDATE journal_leases \
    SET expire_time = clock_timestamp() + $3::bigint::float8 * interval '1 millisecond' \
    WHERE shard = $1 AND epoch = $2";
const RELEASE: &str = "UPDATE journal_leases \
    SET expire_time = clock_timestamp() - interval '1 millisecond' \
    WHERE shard = $1 AND epoch = $2";
const LEADER: &str = "SELECT address, expire_time < clock_timestamp() \
    FROM journal_leases WHERE shard = $1";
// The lock makes whoever takes the lease wait for this transaction, or this one see that it is
// taken: then the row is not inserted.
const APPEND: &str = "WITH fence AS (SELECT 1 FROM journal_leases \
    WHERE shard = $1 AND epoch = $2 FOR SHARE) \
    INSERT INTO journal_groups (shard, first_sequence, command_count, epoch, frame) \
    SELECT $1, $3, $4, $2, $5 FROM fence";
const FETCH: &str = "SELECT frame FROM journal_groups \
    WHERE shard = $1 AND first_sequence >= $2 ORDER BY first_sequence LIMIT $3";
const BEFORE: &str = "SELECT frame FROM journal_groups \
    WHERE shard = $1 AND first_sequence < $2 ORDER BY first_sequence DESC LIMIT 1";

/// Who has the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Where callers reach the holder.
    pub address: String,
    /// Whether its time has run out.
    pub is_over: bool,
}

/// What is asked, prepared once.
struct Statements {
    take: Statement,
    renew: Statement,
    release: Statement,
    leader: Statement,
    append: Statement,
    fetch: Statement,
    before: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, Error> {
        Ok(Self {
            take: client.prepare(TAKE).await?,
            renew: client.prepare(RENEW).await?,
            release: client.prepare(RELEASE).await?,
            leader: client.prepare(LEADER).await?,
            append: client.prepare(APPEND).await?,
            fetch: client.prepare(FETCH).await?,
            before: client.prepare(BEFORE).await?,
        })
    }
}

/// A connection. After an error it is of no more use.
pub struct Session {
    runtime: Runtime,
    client: Client,
    statements: Statements,
    options: SharedOptions,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// When the database can't be reached in time.
    pub fn connect(options: &SharedOptions) -> Result<Self, JournalError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| JournalError::database("connect", error))?;
        let mut config =
            Config::from_str(&options.url).map_err(|error| failed("read the address", &error))?;
        config.application_name(NAME).connect_timeout(STATEMENT).tcp_user_timeout(STATEMENT);
        let connected = runtime.block_on(async {
            let connecting = async {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(connection);
                // What the server's own settings say of these may not weaken the journal.
                client.batch_execute("SET synchronous_commit = on; SET lock_timeout = 500").await?;
                let statements = Statements::prepare(&client).await?;
                Ok((client, statements))
            };
            tokio::time::timeout(STATEMENT, connecting).await
        });
        let (client, statements) = connected
            .map_err(|_| late("connect"))?
            .map_err(|error: Error| failed("connect", &error))?;
        Ok(Self { runtime, client, statements, options: options.clone() })
    }

    /// Lets a commit return before it is on the disk, for what is worth nothing after a crash.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn forgetful(self) -> Result<Self, JournalError> {
        let setting = self.client.batch_execute("SET synchronous_commit = off");
        let waited = async { tokio::time::timeout(STATEMENT, setting).await };
        let done = self.runtime.block_on(waited).map_err(|_| late("connect"))?;
        done.map_err(|error| failed("connect", &error))?;
        Ok(self)
    }

    fn query(
        &self,
        action: &'static str,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, JournalError> {
        let waited =
            async { tokio::time::timeout(STATEMENT, self.client.query(statement, values)).await };
        let rows = self.runtime.block_on(waited).map_err(|_| late(action))?;
        rows.map_err(|error| failed(action, &error))
    }

    fn execute(
        &self,
        action: &'static str,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, JournalError> {
        let waited =
            async { tokio::time::timeout(STATEMENT, self.client.execute(statement, values)).await };
        let count = self.runtime.block_on(waited).map_err(|_| late(action))?;
        count.map_err(|error| failed(action, &error))
    }

    /// Takes the lease when it is free or this process's own; returns its epoch.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn take(&self) -> Result<Option<u64>, JournalError> {
        let SharedOptions { shard, holder, address, lease_ms, .. } = &self.options;
        let lease = i64::from(*lease_ms);
        let rows =
            self.query("take the lease", &self.statements.take, &[shard, holder, address, &lease])?;
        Ok(rows.first().map(|row| row.get::<_, i64>(0).unsigned_abs()))
    }

    /// Renews the lease; false when somebody else has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn renew(&self, epoch: u64) -> Result<bool, JournalError> {
        let lease = i64::from(self.options.lease_ms);
        let values: [&(dyn ToSql + Sync); 3] = [&self.options.shard, &signed(epoch), &lease];
        Ok(self.execute("renew the lease", &self.statements.renew, &values)? == 1)
    }

    /// Gives the lease back, if it is still the one of this epoch.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn release(&self, epoch: u64) -> Result<(), JournalError> {
        self.execute(
            "release the lease",
            &self.statements.release,
            &[&self.options.shard, &signed(epoch)],
        )?;
        Ok(())
    }

    /// Returns who has the lease; `None` while nobody ever had.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn lease(&self) -> Result<Option<Lease>, JournalError> {
        let rows = self.query("read the lease", &self.statements.leader, &[&self.options.shard])?;
        Ok(rows.first().map(|row| Lease { address: row.get(0), is_over: row.get(1) }))
    }

    /// Commits a group; returns once it is durable.
    ///
    /// # Errors
    /// [`JournalError::Deposed`] when another leader has the lease: the group is not in the
    /// journal. After any other error that is not known.
    pub fn append(&self, header: &GroupHeader, frame: &[u8]) -> Result<(), JournalError> {
        let values: [&(dyn ToSql + Sync); 5] = [
            &self.options.shard,
            &signed(header.epoch),
            &signed(header.first_sequence),
            &i64::from(header.count),
            &frame,
        ];
        match self.execute("append a group", &self.statements.append, &values)? {
            0 => Err(JournalError::Deposed),
            _ => Ok(()),
        }
    }

    /// Returns the next frames from a sequence on, in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn fetch(&self, sequence: u64) -> Result<Vec<Vec<u8>>, JournalError> {
        let values: [&(dyn ToSql + Sync); 3] =
            [&self.options.shard, &signed(sequence), &FETCH_GROUPS];
        let rows = self.query("read groups", &self.statements.fetch, &values)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Returns the last frame before a sequence.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn before(&self, sequence: u64) -> Result<Option<Vec<u8>>, JournalError> {
        let values: [&(dyn ToSql + Sync); 2] = [&self.options.shard, &signed(sequence)];
        let rows = self.query("read groups", &self.statements.before, &values)?;
        Ok(rows.first().map(|row| row.get(0)))
    }
}

impl core::fmt::Debug for Session {
    // The address holds a password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session").field("shard", &self.options.shard).finish_non_exhaustive()
    }
}

fn late(action: &'static str) -> JournalError {
    JournalError::database(action, format_args!("no answer within {} ms", STATEMENT.as_millis()))
}

fn failed(action: &'static str, error: &Error) -> JournalError {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return JournalError::Deposed;
    }
    match error.source() {
        Some(source) => JournalError::database(action, source),
        None => JournalError::database(action, error),
    }
}

/// Sequences and epochs stay below 2^63: the core counts from 1.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
