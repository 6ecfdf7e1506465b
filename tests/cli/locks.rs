//! `coord locks`.

use std::time::Duration;

use coord::lock::{LockFilter, LockKind};
use coord_tests::until;

use crate::commands::Place;
use crate::golden::assert_golden;

const LONG: Duration = Duration::from_secs(600);

pub(crate) async fn what_is_held_and_who_waits_is_listed(place: &Place) {
    assert_eq!(place.answer(&["locks"]).await, "Nothing is held.\n");
    assert_golden("locks_none_json", &place.json(&["locks"]).await.to_string());
    let service = place.service().await;
    let lock = |key: &str, label: &str| service.lock(key.to_owned()).ttl(LONG).label(label);
    let _order = lock("order:42", "host-1").acquire().await.unwrap();
    let catalog = service.rw_lock("catalog");
    let _reader = catalog
        .read()
        .ttl(LONG)
        .label("reader")
        .acquire()
        .await
        .unwrap();
    let gateway = service
        .semaphore("gateway", 5)
        .permits(3)
        .ttl(LONG)
        .label("batch");
    let _gateway = gateway.acquire().await.unwrap();
    let _leader = service
        .election("scheduler")
        .candidate("node-7")
        .campaign()
        .await
        .unwrap();
    let waiting = tokio::spawn(lock("order:42", "host-2").acquire());
    until("somebody to wait", async || {
        let lock = service
            .locks()
            .get(LockKind::Lock, "order:42")
            .await
            .unwrap();
        (lock.expect("it is held").line.len() == 2).then_some(())
    })
    .await;

    let shown = place.answer(&["locks"]).await;
    assert_golden("locks", &without_times(&shown));
    let json = place.json(&["locks", "--kind", "lock", "order:"]).await;
    let [lock] = &json["locks"].as_array().unwrap()[..] else {
        panic!("one lock, not {json}")
    };
    assert_eq!(
        (&lock["key"], &lock["kind"]),
        (&"order:42".into(), &"lock".into())
    );
    assert_eq!(lock["holders"][0]["label"], "host-1");
    assert_eq!(lock["holders"][0]["claim"], "exclusive");
    assert_eq!(lock["waiting"][0]["label"], "host-2");
    let left = lock["holders"][0]["expires_in_seconds"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 600.0, "{left}");
    let token = |one: &serde_json::Value| one["token"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(token(&lock["holders"][0]) < token(&lock["waiting"][0]));

    let json = place.json(&["locks", "--waiting"]).await;
    assert_eq!(json["locks"].as_array().unwrap().len(), 1);
    waiting.abort();
    service.shutdown().await;
}

/// The table without the last column, the time that is left: not all have the same.
fn without_times(table: &str) -> String {
    let ends = table.find("EXPIRES IN").expect("the last column");
    let lines = table
        .lines()
        .map(|line| line[..ends].trim_end().to_owned() + "\n");
    lines.collect()
}

pub(crate) async fn locks_are_chosen_by_kind_and_prefix(place: &Place) {
    let service = place.service().await;
    let _one = service.lock("a:1").acquire().await.unwrap();
    let _two = service.lock("a*").acquire().await.unwrap();
    let _three = service.semaphore("a:1", 2).acquire().await.unwrap();
    let keys = async |arguments: &[&str]| {
        let json = place.json(&[&["locks"], arguments].concat()).await;
        let locks = json["locks"].as_array().unwrap().iter();
        let text = |lock: &serde_json::Value, name: &str| lock[name].as_str().unwrap().to_owned();
        locks
            .map(|lock| format!("{} {}", text(lock, "kind"), text(lock, "key")))
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&[]).await, ["lock a*", "lock a:1", "semaphore a:1"]);
    assert_eq!(keys(&["a:"]).await, ["lock a:1", "semaphore a:1"]);
    assert_eq!(keys(&["a*"]).await, ["lock a*"]);
    assert_eq!(keys(&["--kind", "semaphore"]).await, ["semaphore a:1"]);
    assert_eq!(keys(&["--kind", "election"]).await, [""; 0]);
    let filter = LockFilter::new().kind(LockKind::Lock).prefix("a:");
    let page = service.locks().list(filter).await.unwrap();
    assert_eq!(page.locks.len(), 1);
    service.shutdown().await;
}

pub(crate) async fn odd_keys_are_shown_harmless(place: &Place) {
    let service = place.service().await;
    let odd = "\u{1b}[31mred\u{7}\n\u{202e}% {x} 'é' 😀";
    let _lease = service
        .lock(odd)
        .label("\u{1b}]0;title\u{7}")
        .acquire()
        .await
        .unwrap();
    let shown = place.answer(&["locks"]).await;
    let harmless = |one: char| !one.is_control() || one == '\n';
    assert!(shown.chars().all(harmless), "{shown:?}");
    assert!(
        shown.contains("\\u{1b}[31mred\\u{7}\\u{a}\\u{202e}% {x} 'é' 😀"),
        "{shown}"
    );
    let json = place.json(&["locks"]).await;
    assert_eq!(json["locks"][0]["key"], odd);
    let json = place.json(&["locks", odd]).await;
    assert_eq!(json["locks"].as_array().unwrap().len(), 1);
    service.shutdown().await;
}
