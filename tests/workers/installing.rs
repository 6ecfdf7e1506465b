//! A process that installs a coordinator, and tells what the attributes find before and after.

use coord::store::MemoryStore;
use coord::{Coordinator, Error, locked};
use coord_tests::worker::say;

/// Whether the installed coordinator was used: it has somebody in line then.
#[locked("a")]
async fn locks(installed: &Coordinator) -> Result<bool, Error> {
    Ok(installed.lock("a").try_acquire().await?.is_none())
}

fn name<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn by(installed: &Result<bool, Error>) -> &'static str {
    match installed {
        Ok(true) => "by the installed",
        Ok(false) => "by another",
        Err(_) => "not at all",
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let coordinator = || Coordinator::builder().store(MemoryStore::new()).build();
    let (coord, another) = (coordinator(), coordinator());

    let before = Coordinator::current().map(drop);
    say(format_args!("current before: {}", name(before)));
    let before = locks(&coord).await;
    let told = before.as_ref().map_err(ToString::to_string).err();
    say(format_args!("locked before: {}", name(before)));
    say(format_args!("told: {}", told.unwrap_or_default()));

    say(format_args!("install: {}", name(coord.install())));
    say(format_args!("again: {}", name(coord.install())));
    let twice = another.install();
    let told = twice.as_ref().map_err(ToString::to_string).err();
    say(format_args!("another: {}", name(twice)));
    say(format_args!("told: {}", told.unwrap_or_default()));

    say(format_args!("locked: {}", by(&locks(&coord).await)));
    let installed = coord.clone();
    let spawned = tokio::spawn(async move { locks(&installed).await }).await;
    say(format_args!(
        "spawned: {}",
        spawned.map_or("not at all", |locked| by(&locked))
    ));
    let scoped = Box::pin(another.scope(locks(&coord))).await;
    say(format_args!("scoped: {}", by(&scoped)));
}
