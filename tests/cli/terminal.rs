//! What differs on a terminal: colours, and questions.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use coord::Error;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::Command;

use crate::commands::{Place, finish};

/// A terminal: our end, and that of a program.
fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (ours.into(), theirs)
}

/// Runs a command at a terminal, gives it an answer, and returns its code and all that was seen.
async fn at_terminal(mut command: Command, answer: &str) -> (Option<i32>, String) {
    let (mut ours, theirs) = terminal();
    command
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(Stdio::from(theirs))
        .env("TERM", "xterm");
    let mut child = command.spawn().unwrap();
    // Its ends of the terminal are only the child's from here on.
    drop(command);
    ours.write_all(answer.as_bytes()).unwrap();
    let seen = tokio::task::spawn_blocking(move || {
        let (mut seen, mut some) = (Vec::new(), [0; 1024]);
        // It fails once nobody has the other end open.
        while let Ok(count @ 1..) = ours.read(&mut some) {
            seen.extend_from_slice(&some[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    let code = child.wait().await.unwrap().code();
    (code, seen.await.unwrap())
}

async fn pay(place: &Place) -> coord::Coordinator {
    let service = place.service().await;
    let call = service.idempotency("payment:1");
    call.run(async || Ok::<_, Error>(1)).await.unwrap();
    service
}

#[tokio::test]
async fn what_cannot_be_undone_is_asked_for() {
    let place = Place::on_sqlite();
    let service = pay(&place).await;
    let forget = || place.command(&["idempotency", "forget", "payment:1"]);
    for no in ["\n", "n\n", "what?\n", "\u{4}"] {
        let (code, seen) = at_terminal(forget(), no).await;
        assert_eq!(code, Some(1), "{seen}");
        assert!(seen.contains("runs the body again? [y/N]"), "{seen}");
        assert!(seen.contains("nothing was done"), "{seen}");
        assert!(
            service
                .idempotency_records()
                .get("payment:1")
                .await
                .unwrap()
                .is_some()
        );
    }
    let (code, seen) = at_terminal(forget(), "y\n").await;
    assert_eq!(code, Some(0), "{seen}");
    assert!(
        service
            .idempotency_records()
            .get("payment:1")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn colours_are_for_terminals() {
    let place = Place::on_sqlite();
    pay(&place).await;
    let list = || place.command(&["idempotency", "list"]);
    let escape = '\u{1b}';
    let (code, seen) = at_terminal(list(), "").await;
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("\u{1b}[1mKEY"), "{seen:?}");

    let mut plain = list();
    plain.env("NO_COLOR", "1");
    let (_, seen) = at_terminal(plain, "").await;
    assert!(
        seen.contains("KEY") && !seen.contains("\u{1b}[1m"),
        "{seen:?}"
    );
    let said = finish(list()).await;
    assert!(!said.out.contains(escape), "{said:?}");
    let said = finish(place.command(&["idempotency", "show", "nothing"])).await;
    assert!(!said.err.contains(escape), "{said:?}");
}

#[tokio::test]
async fn long_work_tells_how_far_it_is() {
    let place = Place::on_sqlite();
    let bench = [
        "store", "bench", "--tasks", "2", "--for", "300ms", "--what", "record",
    ];
    let (code, seen) = at_terminal(place.command(&bench), "").await;
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("% ("), "{seen:?}");
}
