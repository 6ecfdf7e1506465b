//! What makes no sense, what cannot be reached, and what must not be shown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use coord_tests::{RedisServer, new_sqlite, sqlite_url};

use crate::commands::{Place, Said, finish, plain};
use crate::golden::assert_golden;

/// What it says of these arguments, which is neither a panic nor an answer.
async fn refused(arguments: &[&str]) -> Said {
    let said = finish(plain(arguments)).await;
    assert_ne!(said.code, Some(0), "{arguments:?}: {said:?}");
    assert!(!said.err.contains("panicked"), "{said:?}");
    assert_eq!(said.out, "", "{arguments:?}");
    said
}

#[tokio::test]
async fn what_makes_no_sense_is_said_with_what_to_do() {
    let place = Place::on_sqlite();
    let store = ["--store", &place.url];
    let mut said_all = Vec::new();
    for arguments in [
        &["lock"][..],
        &["lock", "key"],
        &["lock", "key", "ls"],
        &["lok"],
        &["locks", "--knd", "lock"],
        &["locks", "--kind", "mutex"],
        &["lock", "key", "--ttl", "soon", "--", "true"],
        &["lock", "key", "--skip", "--wait", "1s", "--", "true"],
        &["lock", "key", "--permits", "0", "--", "true"],
        &["lock", "key", "--permits", "2", "--shared", "--", "true"],
        &["saga", "skip", "a/b"],
        &["saga", "list", "--limit", "0"],
        &["store", "bench", "--tasks", "0"],
        &["completions", "tcsh"],
    ] {
        let said = refused(arguments).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        said_all.push(format!("$ coord {}\n{}\n", arguments.join(" "), said.err));
    }
    for arguments in [
        &["locks", "--namespace", ""][..],
        &["lock", "", "--", "true"],
        &["lock", &"k".repeat(600), "--", "true"],
        &["lock", "key", "--ttl", "0s", "--", "true"],
        &["lock", "key", "--ttl", "2years", "--", "true"],
        &["idempotency", "show", ""],
        &["store", "bench", "--for", "0s"],
    ] {
        let said = refused(&[&store[..], arguments].concat()).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        let shown = arguments.join(" ").replace(&"k".repeat(600), "kkk…");
        said_all.push(format!("$ coord {shown}\n{}\n", said.err));
    }
    assert_golden("usage", &said_all.concat());
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_said_without_it() {
    let mut said_all = Vec::new();
    for url in [
        "",
        "redis",
        "localhost:6379",
        "http://user:hunter2@host/",
        "redis://:hunter2@",
        "redis://user:hunter2@host:port",
        "postgres://user:hunter2@host:notaport/db",
        "zk://user:hunter2@",
        "sqlite:",
        "sqlite://host/x?y",
    ] {
        let said = refused(&["locks", "--store", url]).await;
        assert!(!said.err.contains("hunter2"), "{said:?}");
        assert_eq!(said.code, Some(2), "{url}: {said:?}");
        said_all.push(format!("$ coord locks --store {url}\n{}", said.err));
    }
    let said = refused(&["locks"]).await;
    said_all.push(format!("$ coord locks\n{}", said.err));
    assert_golden("urls", &said_all.concat());
}

#[tokio::test]
async fn no_secret_is_shown_wherever_it_stands() {
    let url = "redis://user:hunter2@127.0.0.1:1/0";
    let sentinel = "redis+sentinel://127.0.0.1:1/main?sentinel_password=x@hidden3";
    for arguments in [
        &["locks", url, "extra"][..],
        &["--store", url, "locks", "--nonsense"],
        &["--store", url, "doctor"],
        &[url],
        &[sentinel],
        &["--store", sentinel, "doctor"],
        &["--help"],
        &["locks", "--help"],
    ] {
        let mut command = plain(arguments);
        command.env("COORD_URL", url);
        let said = finish(command).await;
        let shown = format!("{said:?}");
        for secret in ["hunter2", "hidden3"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said() {
    let mut said_all = Vec::new();
    for url in [
        "redis://user:hunter2@127.0.0.1:1",
        "postgres://user:hunter2@127.0.0.1:1/db",
        "sqlite:/nowhere/at/all.db",
    ] {
        let said = refused(&["doctor", "--store", url]).await;
        assert!(matches!(said.code, Some(69 | 77)), "{said:?}");
        assert!(!said.err.contains("hunter2"), "{said:?}");
        said_all.push(said.err);
    }
    assert_golden("unreachable", &said_all.concat());
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let server = RedisServer::start().await;
    let url = server.url().replace("redis://", "redis://nobody:hunter2@");
    let said = refused(&["locks", "--store", &url]).await;
    assert_eq!(said.code, Some(77), "{said:?}");
    assert!(!said.err.contains("hunter2"), "{said:?}");
}

#[tokio::test]
async fn nobody_who_reads_is_no_reason_to_panic() {
    let place = Place::on_sqlite();
    for arguments in [
        &["locks"][..],
        &["doctor"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let mut command = place.command(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().await.unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), &*err),
            (Some(141), ""),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_or_passed_on() {
    let place = Place::on_sqlite();
    let bytes = OsStr::from_bytes(b"a\xff");
    let mut command = place.command(&["locks"]);
    command.arg(bytes);
    let said = finish(command).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    let mut command = place.command(&["lock", "key", "--", "test", "-n"]);
    command.arg(bytes);
    let said = finish(command).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_said() {
    let path = new_sqlite();
    std::fs::write(
        &path,
        "something else, and long enough to be read as a header".repeat(9),
    )
    .unwrap();
    let said = refused(&["locks", "--store", &sqlite_url(&path)]).await;
    assert!(matches!(said.code, Some(69 | 77)), "{said:?}");
}

#[tokio::test]
async fn help_and_completions_are_as_they_were() {
    for arguments in [
        &["--help"][..],
        &["locks", "--help"],
        &["lock", "--help"],
        &["idempotency", "--help"],
        &["saga", "--help"],
        &["saga", "resume", "--help"],
        &["doctor", "--help"],
        &["store", "bench", "--help"],
    ] {
        let said = finish(plain(arguments)).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let name = arguments.join("_").replace("_--help", "").replace("--", "");
        assert_golden(&format!("help_{name}"), &said.out);
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = finish(plain(&["completions", shell])).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("idempotency"), "{shell}");
    }
    let said = finish(plain(&["--version"])).await;
    assert_eq!(said.out, format!("coord {}\n", env!("CARGO_PKG_VERSION")));
}
