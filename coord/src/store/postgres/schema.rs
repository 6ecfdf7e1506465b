//! The schema, and how it comes to be.
//!
//! 1. Whoever finds no schema takes a lock that ends with the transaction, looks again, and makes all of it in that
//!    transaction. So of many processes that connect at once one makes it, and one that dies makes nothing.
//! 2. Whoever finds it needs no permission to create anything.
//! 3. A schema of a newer version is refused: its functions may do other things under the same names.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as PostgresError, IsolationLevel};

use super::failure;
use super::lock::Subject;
use crate::error::{Error, StoreError, StoreErrorKind};
use crate::store::Result;

/// The version of the tables and functions.
const VERSION: i32 = 1;
/// The most bytes of a name, to the server.
const LONGEST_NAME: usize = 63;

const PARTS: [&str; 5] = [
    include_str!("sql/tables.sql"),
    include_str!("sql/records.sql"),
    include_str!("sql/leases.sql"),
    include_str!("sql/logs.sql"),
    include_str!("sql/sweep.sql"),
];

/// The schema's name.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    name: String,
    quoted: String,
}

impl Schema {
    pub(super) fn named(name: String) -> std::result::Result<Self, Error> {
        let fits = |one: char| one.is_alphanumeric() || "_-. ".contains(one);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
            return Err(Error::invalid_option(
                "schema",
                "a schema's name has between 1 and 63 bytes: letters, digits, `_`, `-`, `.` and spaces",
            ));
        }
        // Nothing in it ends the quotes, or those of a function's text.
        let quoted = format!("\"{name}\"");
        Ok(Self { name, quoted })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A text in which the schema has its default name, with its own.
    pub(super) fn qualify(&self, text: &str) -> String {
        text.replace(r#""coord"."#, &format!("{}.", self.quoted))
    }

    /// Makes the schema if there is none, and refuses one that is not known here.
    pub(super) async fn prepare(&self, client: &mut Client) -> Result<()> {
        let failed = |error: PostgresError| failure::of_preparing(&error);
        let mut version = self.version(client).await.map_err(failed)?;
        if version.is_none() {
            version = self.make(client).await.map_err(failed)?;
        }
        match version {
            Some(VERSION) | None => Ok(()),
            Some(version) => Err(StoreError::new(
                StoreErrorKind::Denied,
                "connect",
                format!(
                    "the schema has version {version}, and this version of coord knows version {VERSION}; use the \
                     version of coord that made it, or another schema"
                ),
            )),
        }
    }

    /// The version of what another process has made meanwhile, if one has.
    async fn make(&self, client: &mut Client) -> std::result::Result<Option<i32>, PostgresError> {
        // Behind the lock it has to see what whoever had it before has made, whatever the default is.
        let transaction = client.build_transaction();
        let transaction = transaction.isolation_level(IsolationLevel::ReadCommitted);
        let transaction = transaction.start().await?;
        let lock = Subject::Schema.lock(&self.name, b"");
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&lock])
            .await?;
        let version = self.version(&transaction).await?;
        if version.is_none() {
            let name = [&self.name as &(dyn ToSql + Sync)];
            let there = "SELECT FROM pg_namespace WHERE nspname = $1";
            if transaction.query_opt(there, &name).await?.is_none() {
                let create = format!("CREATE SCHEMA {}", self.quoted);
                transaction.batch_execute(&create).await?;
            }
            for part in PARTS {
                transaction.batch_execute(&self.qualify(part)).await?;
            }
            let host = format!(
                "INSERT INTO {}.host VALUES (true, {VERSION}, '', {})",
                self.quoted,
                i64::MIN
            );
            transaction.batch_execute(&host).await?;
        }
        transaction.commit().await?;
        Ok(version)
    }

    async fn version(
        &self,
        client: &impl tokio_postgres::GenericClient,
    ) -> std::result::Result<Option<i32>, PostgresError> {
        // The tables of the system, since what the session remembers of names may be from before it waited.
        let there = client
            .query_opt(
                "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = $1 AND c.relname = 'host'",
                &[&self.name],
            )
            .await?;
        if there.is_none() {
            return Ok(None);
        }
        let version = client
            .query_one(&self.qualify(r#"SELECT version FROM "coord".host"#), &[])
            .await?;
        version.try_get(0).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_quotes() {
        let named = |name: &str| Schema::named(name.to_owned());
        let schema = named("Shop-2 coord").unwrap();
        assert_eq!(
            schema.qualify(r#"SELECT FROM "coord".host"#),
            r#"SELECT FROM "Shop-2 coord".host"#
        );
        for name in ["", "a\"b", "a'b", "a$$b", "a\\b", "a\nb", &"a".repeat(64)] {
            assert!(named(name).is_err(), "{name}");
        }
    }
}
