//! `coord lock`, with real commands.

use std::time::Duration;

use coord::lock::{LockKind, LockSummary};
use coord::store::LeaseId;
use coord_tests::{new_sqlite, sqlite_url, until};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::commands::{Place, Running, is_ignored};

const HELD: Option<i32> = Some(75);
const LOST: Option<i32> = Some(76);
/// Says that it runs, and does until it is told otherwise.
const RUNS: &str = "echo runs; while :; do sleep 0.02; done";
/// The same, and ends in a way of its own when it is asked to. What the shell says of the end of `sleep` is left out.
const ENDS_WELL: &str = "trap 'echo asked; exit 9' TERM INT HUP; echo runs; \
    while :; do sleep 0.02; done 2>/dev/null";
/// A script whose work is done by a process that it has started: one that, when it is asked to end, does so once there is
/// something to read, and one that does not.
const STARTS_WORK: &str = "(trap 'echo asked; read -r _; echo ended; exit' TERM; echo works; \
    for one in $(seq 500); do sleep 0.02; done); echo goes on";
const STARTS_STUBBORN_WORK: &str = "(trap '' TERM; echo works; \
    for one in $(seq 500); do sleep 0.02; done; echo ended); echo goes on";

async fn line_of(place: &Place, key: &str) -> Option<LockSummary> {
    let service = place.service().await;
    service.locks().get(LockKind::Lock, key).await.unwrap()
}

async fn until_waiting(place: &Place, key: &str) {
    let service = place.service().await;
    until("somebody to wait", async || {
        let lock = service.locks().get(LockKind::Lock, key).await.unwrap()?;
        lock.line.iter().any(|one| !one.holds).then_some(())
    })
    .await;
}

pub(crate) async fn the_exit_code_is_that_of_the_command(place: &Place) {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -9 $$", 137),
    ] {
        let said = place.locked(&["job"], script).await;
        assert_eq!((said.code, &*said.err), (Some(code), ""), "{script}");
        assert!(line_of(place, "job").await.is_none(), "it is given back");
    }
    let missing = place.run(&["lock", "job", "--", "/nowhere/at-all"]).await;
    assert_eq!(missing.code, Some(127), "{missing:?}");
    let not_a_program = place.run(&["lock", "job", "--", "/etc/passwd"]).await;
    assert_eq!(not_a_program.code, Some(126), "{not_a_program:?}");
    assert!(line_of(place, "job").await.is_none(), "it is given back");
}

pub(crate) async fn the_command_is_told_its_token_and_key(place: &Place) {
    let script = "echo \"$COORD_FENCING_TOKEN\"; echo \"$COORD_LOCK_KEY\"; read -r _";
    let mut command = place.command(&[
        "lock", "order:42", "--label", "cron", "--", "sh", "-c", script,
    ]);
    command.stdin(std::process::Stdio::piped());
    let mut running = Running::start(command);
    let token: u64 = running.line().await.parse().unwrap();
    assert_eq!(running.line().await, "order:42");
    let lock = line_of(place, "order:42").await.expect("it is held");
    assert_eq!(u64::from(lock.line[0].token), token);
    assert_eq!(&*lock.line[0].label, "cron");
    let said = running.end().await;
    assert_eq!(said.code, Some(1), "its input has ended: {said:?}");
    let said = place
        .locked(&["order:42"], "echo \"$COORD_FENCING_TOKEN\"")
        .await;
    assert!(said.out.trim().parse::<u64>().unwrap() > token);
}

pub(crate) async fn a_lock_that_is_held_elsewhere_is_skipped(place: &Place) {
    let service = place.service().await;
    let lease = service.lock("job").acquire().await.unwrap();
    let said = place.locked(&["job", "--skip"], "echo runs").await;
    assert_eq!((said.code, &*said.out), (HELD, ""));
    crate::golden::assert_golden("lock_skipped", &said.err);
    lease.release().await.unwrap();
    let said = place.locked(&["job", "--skip"], "echo runs").await;
    assert_eq!((said.code, &*said.out), (Some(0), "runs\n"));
}

pub(crate) async fn waiting_ends(place: &Place) {
    let service = place.service().await;
    let _lease = service.lock("job").acquire().await.unwrap();
    for wait in ["0s", "30ms"] {
        let said = place.locked(&["job", "--wait", wait], "echo runs").await;
        assert_eq!((said.code, &*said.out), (HELD, ""));
        assert!(
            said.err.starts_with("error: `job` was not free within "),
            "{said:?}"
        );
    }
    let lock = line_of(place, "job").await.expect("it is held");
    assert_eq!(lock.line.len(), 1, "nobody waits any more");
}

pub(crate) async fn one_who_waits_gets_its_turn(place: &Place) {
    let service = place.service().await;
    let lease = service.lock("job").acquire().await.unwrap();
    let waiting = place.lock(&["job"], "echo runs");
    until_waiting(place, "job").await;
    lease.release().await.unwrap();
    let said = waiting.end().await;
    assert_eq!((said.code, &*said.out), (Some(0), "runs\n"));
}

pub(crate) async fn readers_run_together_and_writers_alone(place: &Place) {
    let mut reader = place.lock(&["catalog", "--shared"], RUNS);
    assert_eq!(reader.line().await, "runs");
    let other = place
        .locked(&["catalog", "--shared", "--skip"], "exit 3")
        .await;
    assert_eq!(other.code, Some(3));
    let writer = place.locked(&["catalog", "--skip"], "exit 3").await;
    assert_eq!(writer.code, HELD);
    reader.signal(Signal::TERM);
    assert_eq!(reader.end().await.code, Some(143));
}

pub(crate) async fn permits_are_counted(place: &Place) {
    let service = place.service().await;
    let one = service.semaphore("gateway", 2).acquire().await.unwrap();
    let run = async || {
        place
            .locked(&["gateway", "--permits", "2", "--skip"], "exit 3")
            .await
    };
    assert_eq!(run().await.code, Some(3));
    let _two = service.semaphore("gateway", 2).acquire().await.unwrap();
    assert_eq!(run().await.code, HELD);
    one.release().await.unwrap();
    assert_eq!(run().await.code, Some(3));
}

pub(crate) async fn at_least_outlasts_the_command(place: &Place) {
    let said = place
        .locked(&["report", "--at-least", "10m"], "exit 4")
        .await;
    assert_eq!(said.code, Some(4));
    let lock = line_of(place, "report").await.expect("it is kept");
    assert!(lock.line[0].expires_in > Duration::from_secs(500));
    let said = place.locked(&["report", "--skip"], "exit 4").await;
    assert_eq!(said.code, HELD);
}

pub(crate) async fn at_least_is_not_for_a_command_that_cannot_start(place: &Place) {
    let run = [
        "lock",
        "report",
        "--at-least",
        "10m",
        "--",
        "/nowhere/at-all",
    ];
    assert_eq!(place.run(&run).await.code, Some(127));
    let said = place.locked(&["report", "--skip"], "exit 4").await;
    assert_eq!(said.code, Some(4), "another host runs it: {said:?}");
}

pub(crate) async fn signals_reach_the_command(place: &Place) {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        if is_ignored(signal) {
            continue;
        }
        let mut running = place.lock(&["job"], ENDS_WELL);
        assert_eq!(running.line().await, "runs");
        running.signal(signal);
        let said = running.end().await;
        assert_eq!((said.code, &*said.out), (Some(9), "asked\n"), "{signal:?}");
        assert!(line_of(place, "job").await.is_none(), "it is given back");
    }
}

pub(crate) async fn a_signal_while_waiting_leaves_the_line(place: &Place) {
    let service = place.service().await;
    let _lease = service.lock("job").acquire().await.unwrap();
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        if is_ignored(signal) {
            continue;
        }
        let waiting = place.lock(&["job"], "echo runs");
        until_waiting(place, "job").await;
        waiting.signal(signal);
        let said = waiting.end().await;
        assert_eq!((said.code, &*said.out), (Some(code), ""));
        let lock = line_of(place, "job").await.expect("it is held");
        assert_eq!(lock.line.len(), 1, "nobody waits any more");
    }
}

/// Takes a lock away from who holds it.
async fn take_away(place: &Place, key: &str) {
    let service = place.service().await;
    let lock = line_of(place, key).await.expect("it is held");
    let lease = LeaseId {
        resource: format!("{}/lock/{key}", place.namespace).into(),
        owner: lock.line[0].owner,
    };
    assert!(service.store().release_lease(&lease).await.unwrap());
}

pub(crate) async fn a_lost_lock_ends_the_command(place: &Place) {
    let mut running = place.lock(&["job", "--ttl", "600ms"], ENDS_WELL);
    assert_eq!(running.line().await, "runs");
    take_away(place, "job").await;
    let said = running.end().await;
    assert_eq!((said.code, &*said.out), (LOST, "asked\n"));
    crate::golden::assert_golden("lock_lost", &said.err);
}

pub(crate) async fn a_command_that_does_not_end_is_killed(place: &Place) {
    let script = "trap '' TERM; echo runs; while :; do sleep 0.02; done";
    let mut running = place.lock(&["job", "--ttl", "600ms", "--kill-after", "100ms"], script);
    assert_eq!(running.line().await, "runs");
    take_away(place, "job").await;
    let said = running.end().await;
    assert_eq!((said.code, &*said.out), (LOST, ""));
    crate::golden::assert_golden("lock_killed", &said.err);
}

fn start_work(place: &Place, options: &[&str]) -> Running {
    let script = ["--", "sh", "-c", STARTS_WORK];
    let mut command =
        place.command(&[&["lock", "job", "--kill-after", "10m"], options, &script].concat());
    command.stdin(std::process::Stdio::piped());
    Running::start(command)
}

pub(crate) async fn the_lock_is_kept_until_all_that_was_started_has_ended(place: &Place) {
    let mut running = start_work(place, &[]);
    assert_eq!(running.line().await, "works");
    running.signal(Signal::TERM);
    assert_eq!(running.line().await, "asked");
    assert!(line_of(place, "job").await.is_some(), "it is kept");
    let said = running.end().await;
    assert_eq!((said.code, &*said.out), (Some(143), "ended\n"), "{said:?}");
    assert!(line_of(place, "job").await.is_none(), "it is given back");
}

pub(crate) async fn a_lost_lock_ends_what_the_command_has_started(place: &Place) {
    let mut running = start_work(place, &["--ttl", "600ms"]);
    assert_eq!(running.line().await, "works");
    take_away(place, "job").await;
    assert_eq!(running.line().await, "asked");
    let said = running.end().await;
    assert_eq!((said.code, &*said.out), (LOST, "ended\n"), "{said:?}");
}

pub(crate) async fn what_the_command_leaves_behind_is_killed(place: &Place) {
    let mut running = place.lock(&["job", "--kill-after", "100ms"], STARTS_STUBBORN_WORK);
    assert_eq!(running.line().await, "works");
    running.signal(Signal::TERM);
    let said = running.end().await;
    assert_eq!((said.code, &*said.out), (Some(143), ""), "{said:?}");
    crate::golden::assert_golden("lock_left_killed", &said.err);
    assert!(line_of(place, "job").await.is_none(), "it is given back");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_signal_that_is_ignored_stays_so() {
    let place = Place::on_sqlite();
    // To the binary that is started so, and to its command.
    let signals = "kill -HUP $PPID $$; kill -INT $PPID $$; echo survives; exit 3";
    let binary = env!("CARGO_BIN_EXE_coord_cli");
    let ignoring = format!("trap '' HUP INT; exec {binary} lock job -- sh -c '{signals}'");
    let said = place.locked(&["around"], &ignoring).await;
    assert_eq!((said.code, &*said.out), (Some(3), "survives\n"), "{said:?}");
}

#[tokio::test]
async fn a_signal_ends_what_cannot_give_the_lock_back() {
    let file = new_sqlite();
    let place = Place::at(sqlite_url(&file));
    let mut running = place.lock(&["job", "--ttl", "1m"], "echo $$; exec sleep 600");
    let command: i32 = running.line().await.parse().unwrap();
    let command = Pid::from_raw(command).unwrap();
    let beside = Connection::open(&file).unwrap();
    beside.execute_batch("BEGIN IMMEDIATE").unwrap();
    kill_process(command, Signal::KILL).unwrap();
    until("the command's end to be known", async || {
        test_kill_process(command).is_err().then_some(())
    })
    .await;
    running.signal(Signal::TERM);
    let said = running.end().await;
    assert_eq!(said.code, Some(137), "{said:?}");
    crate::golden::assert_golden("lock_not_given_back", &said.err);
}
