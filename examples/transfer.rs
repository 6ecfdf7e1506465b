//! Money between accounts, in all directions at once: both accounts or neither, and no deadlock.
//!
//! `cargo run --example transfer`
//!
//! The store that holds the balances looks at the fencing token of each write. So a process that was paused for longer
//! than its lease, and does not know it, cannot write over what others have done since. The clock is paused, so that the
//! lease ends at once.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coord::{Coordinator, Lease, locked};
use tokio::task::JoinSet;

/// Balances, each with the greatest token that it was written under.
#[derive(Default)]
struct Bank(Mutex<BTreeMap<u32, (i64, u64)>>);

impl Bank {
    fn accounts(&self) -> MutexGuard<'_, BTreeMap<u32, (i64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn balance(&self, account: u32) -> i64 {
        self.accounts().get(&account).map_or(0, |account| account.0)
    }

    /// `UPDATE account SET balance = …, fence = … WHERE id = … AND fence <= …`
    fn write(&self, account: u32, balance: i64, token: u64) -> Result<(), &'static str> {
        let mut accounts = self.accounts();
        let (known, fence) = accounts.entry(account).or_default();
        if token < *fence {
            return Err("a later holder of the lock has written already");
        }
        (*known, *fence) = (balance, token);
        Ok(())
    }
}

/// Both keys, whatever their order. A transfer from 1 to 2 and one from 2 to 1 wait for each other, not forever.
#[locked("account:<from>", "account:<to>", lease = lease)]
async fn transfer(bank: &Bank, from: u32, to: u32, amount: i64) -> Result<(), coord::Error> {
    let (balance_from, balance_to) = (bank.balance(from), bank.balance(to));
    // The answers of a database take their time; what was read must not change meanwhile.
    tokio::task::yield_now().await;
    let written = bank
        .write(from, balance_from - amount, token_of(lease, from))
        .and_then(|()| bank.write(to, balance_to + amount, token_of(lease, to)));
    assert_eq!(written, Ok(()));
    Ok(())
}

/// Each key has tokens of its own.
fn token_of(lease: &Lease, account: u32) -> u64 {
    let token = lease.token_of(&format!("account:{account}"));
    token.map_or(0, Into::into)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;
    let bank = Arc::new(Bank::default());
    let mut transfers = JoinSet::new();
    for number in 0..90_u32 {
        let bank = Arc::clone(&bank);
        let (from, to) = (number % 3, (number + 1 + number / 45) % 3);
        transfers.spawn(async move { transfer(&bank, from, to, 10).await });
    }
    while let Some(transfer) = transfers.join_next().await {
        transfer??;
    }
    let balances: Vec<_> = (0..3).map(|account| bank.balance(account)).collect();
    println!("90 transfers around three accounts: {balances:?}");
    assert_eq!(
        balances,
        [0, 0, 0],
        "nothing came from nowhere, and nothing got lost"
    );

    // A holder is paused, so that nobody renews its lease, which ends. When it wakes up, another one has been there.
    let lock = || coord.lock("account:0").ttl(Duration::from_secs(10));
    let paused = lock().renew(false).acquire().await?;
    paused.lost().await;
    let next = lock().acquire().await?;
    bank.write(0, 5, token_of(&next, 0))?;
    let refused = bank.write(0, 1_000, token_of(&paused, 0));
    println!("a late write: {}", refused.err().unwrap_or("is taken"));
    assert_eq!((refused.is_err(), bank.balance(0)), (true, 5));
    next.release().await?;
    coord.shutdown().await;
    Ok(())
}
