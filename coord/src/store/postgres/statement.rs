//! What connections ask: statements by name, and their parameters.

use std::error::Error as StdError;
use std::fmt;

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::schema::Schema;

/// A statement, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    LockAll,
    Watch,
    RaiseTokens,
    RecordGet,
    RecordList,
    RecordPut,
    RecordPutAfter,
    RecordDelete,
    LeaseAcquire,
    LeaseRenew,
    LeaseRelease,
    LeaseReleaseAlone,
    LeaseInspect,
    LogAppend,
    LogRead,
    LogExpire,
    Sweep,
    SweepLine,
    SweepLog,
    RecordScan,
    LeaseScan,
    Examine,
}

/// In the order of the variants.
const ALL: [(Statement, &str); 22] = [
    (Statement::LockAll, r#"SELECT FROM "coord".lock_all($1)"#),
    (
        Statement::Watch,
        r#"SELECT FROM "coord".watch($1, $2, $3, $4)"#,
    ),
    (
        Statement::RaiseTokens,
        r#"SELECT FROM "coord".raise_tokens($1)"#,
    ),
    (
        Statement::RecordGet,
        r#"SELECT r.value, r.version, r.expires_at - t.now FROM "coord".record r, (SELECT "coord".clock() AS now OFFSET 0) t
           WHERE r.key = $1 AND r.value IS NOT NULL AND (r.expires_at IS NULL OR r.expires_at > t.now)"#,
    ),
    (
        Statement::RecordList,
        r#"SELECT r.value, r.version, r.expires_at - t.now, r.key
           FROM "coord".record r, (SELECT "coord".clock() AS now OFFSET 0) t
           WHERE r.key > $1 AND r.key >= $2 AND r.key < $3
               AND r.value IS NOT NULL AND (r.expires_at IS NULL OR r.expires_at > t.now)
           ORDER BY r.key LIMIT $4"#,
    ),
    (
        Statement::RecordPut,
        r#"SELECT r_stored, r_value, r_version, r_expires_in
           FROM "coord".record_put($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"#,
    ),
    (
        Statement::RecordPutAfter,
        r#"SELECT r_stored, r_value, r_version, r_expires_in FROM "coord".record_put_after(
               $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"#,
    ),
    (
        Statement::RecordDelete,
        r#"SELECT "coord".record_delete($1, $2, $3, $4, $5)"#,
    ),
    (
        Statement::LeaseAcquire,
        r#"SELECT r_standing, r_token, r_ahead, r_look_again_in
           FROM "coord".lease_acquire($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"#,
    ),
    (
        Statement::LeaseRenew,
        r#"SELECT r_standing, r_token, r_ahead, r_look_again_in
           FROM "coord".lease_renew($1, $2, $3, $4, $5, $6)"#,
    ),
    (
        Statement::LeaseRelease,
        r#"SELECT "coord".lease_release($1, $2, $3, $4)"#,
    ),
    (
        Statement::LeaseReleaseAlone,
        r#"SELECT "coord".lease_release_alone($1, $2, $3, $4)"#,
    ),
    (
        Statement::LeaseInspect,
        r#"SELECT r_owner, r_label, r_token, r_weight, r_granted, r_expires_in
           FROM "coord".lease_inspect($1, $2, $3)"#,
    ),
    (
        Statement::LogAppend,
        r#"SELECT "coord".log_append($1, $2, $3, $4, $5)"#,
    ),
    (
        Statement::LogRead,
        r#"SELECT l.entry FROM "coord".log_entry l WHERE l.log = $1 AND l.position >= $2 AND NOT EXISTS (
               SELECT FROM "coord".log_end e WHERE e.log = $1 AND e.expires_at <= "coord".clock()
           ) ORDER BY l.position LIMIT $3"#,
    ),
    (
        Statement::LogExpire,
        r#"SELECT FROM "coord".log_expire($1, $2, $3)"#,
    ),
    (
        Statement::Sweep,
        r#"SELECT r_lines, r_logs, r_more FROM "coord".sweep($1)"#,
    ),
    (
        Statement::SweepLine,
        r#"SELECT FROM "coord".sweep_line($1, $2, $3)"#,
    ),
    (
        Statement::SweepLog,
        r#"SELECT FROM "coord".sweep_log($1, $2)"#,
    ),
    (
        Statement::RecordScan,
        r#"SELECT r.key FROM "coord".record r, (SELECT "coord".clock() AS now OFFSET 0) t
           WHERE r.key > $1 AND r.key >= $2 AND r.key < $3
               AND r.value IS NOT NULL AND (r.expires_at IS NULL OR r.expires_at > t.now)
           ORDER BY r.key LIMIT $4"#,
    ),
    (
        Statement::LeaseScan,
        r#"SELECT DISTINCT c.resource FROM "coord".contender c
           WHERE c.state < 2 AND c.resource > $1 AND c.resource >= $2 AND c.resource < $3
           ORDER BY c.resource LIMIT $4"#,
    ),
    (
        Statement::Examine,
        r#"SELECT "coord".clock(), current_setting('server_version'), current_setting('fsync'),
               current_setting('full_page_writes')"#,
    ),
];

impl Statement {
    /// The same for a transaction in which there is nothing else.
    pub(super) fn alone(self) -> Self {
        match self {
            Self::LeaseRelease => Self::LeaseReleaseAlone,
            other => other,
        }
    }

    /// The texts of all, in the order of the variants.
    pub(super) fn texts(schema: &Schema) -> impl Iterator<Item = String> {
        ALL.iter().map(|(_, text)| schema.qualify(text))
    }
}

/// A parameter, of a type that the statement's text decides.
#[derive(Clone)]
pub(super) enum Parameter {
    Null,
    Flag(bool),
    Small(i16),
    Number(i64),
    Numbers(Vec<i64>),
    Text(String),
    Bytes(Bytes),
    /// The least token of the server that the connection is to.
    Base,
}

/// Values may be confidential, and the client library logs parameters.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl From<i64> for Parameter {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Parameter {
    fn from(name: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(name.as_bytes()))
    }
}

impl From<u128> for Parameter {
    fn from(id: u128) -> Self {
        Self::Bytes(Bytes::copy_from_slice(&id.to_be_bytes()))
    }
}

impl From<Bytes> for Parameter {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl<P: Into<Self>> From<Option<P>> for Parameter {
    fn from(parameter: Option<P>) -> Self {
        parameter.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null | Self::Base => Ok(IsNull::Yes),
            Self::Flag(flag) => flag.to_sql(of, out),
            Self::Small(number) => number.to_sql(of, out),
            Self::Number(number) => number.to_sql(of, out),
            Self::Numbers(numbers) => numbers.to_sql(of, out),
            Self::Text(text) => text.to_sql(of, out),
            Self::Bytes(bytes) => (&**bytes).to_sql(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_found_where_its_name_says() {
        for (index, (statement, _)) in ALL.iter().enumerate() {
            assert_eq!(*statement as usize, index);
        }
    }
}
