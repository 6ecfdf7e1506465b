//! Waiting for a lock, but not forever; and giving up in the middle, which leaves nothing behind.
//!
//! `cargo run --example timeout_and_cancellation`
//!
//! Whatever drops a future cancels it: a timeout, a `select!`, a task that is aborted, a client that hangs up. It needs
//! no token to be passed along. The clock is paused, so that the minutes of this program pass at once.

use std::error::Error;
use std::time::Duration;

use coord::{Coordinator, locked};
use tokio::time::timeout;

const MINUTE: Duration = Duration::from_secs(60);

/// Takes an hour, if it is let.
#[locked("critical:<name>", ttl = "30s", wait = "5s")]
async fn work(name: &str) -> Result<&'static str, coord::Error> {
    tokio::time::sleep(60 * MINUTE).await;
    Ok("done")
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;
    let name = "press";
    let key = || coord::key!("critical:<name>");

    // 1. Somebody else has it for longer than the function is ready to wait.
    let held = coord.lock(key()).acquire().await?;
    let error = work("press").await.err();
    let Some(error @ coord::Error::LockTimeout { .. }) = error else {
        return Err("it must not get what another holds".into());
    };
    println!("not in time:  {error}");
    held.release().await?;

    // 2. It has the lock, and all in all takes longer than its caller is ready to wait. The body is dropped at its
    //    await, and the lock is free for the next one.
    let cancelled = timeout(10 * MINUTE, work("press")).await;
    assert!(cancelled.is_err());
    let next = coord.lock(key()).wait(MINUTE).acquire().await?;
    println!("cancelled:    the body is gone, and the next one has the lock");

    // 3. One that waits in line gives up: its place is given up too, so nobody waits behind it.
    let waiting = tokio::spawn(async { work("press").await });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.is_err_and(|error| error.is_cancelled()));
    next.release().await?;
    assert!(coord.lock(key()).try_acquire().await?.is_some());
    println!("while queued: the place in the line is gone as well");

    // 4. The body watches its own lease where it must finish what it has begun: it is told of the loss, and not dropped.
    let lease = coord
        .lock(key())
        .ttl(Duration::from_secs(30))
        .renew(false)
        .acquire()
        .await?;
    tokio::select! {
        () = lease.lost() => println!("lost:         the lease ended, and the body tidies up"),
        () = tokio::time::sleep(60 * MINUTE) => return Err("a lease that nobody renews must end".into()),
    }
    assert!(matches!(
        lease.release().await,
        Err(coord::Error::LockLost { .. })
    ));
    coord.shutdown().await;
    Ok(())
}
