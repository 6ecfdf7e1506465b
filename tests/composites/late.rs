//! A quorum whose stores are not equally fast, and miss what they are too late for.

use std::sync::Arc;
use std::time::Duration;

use coord::store::{AppendRequest, DeleteRequest, ListRequest, Quorum, Store};
use coord::testing::{Fault, FaultStore, Operation, Rule};
use tokio::time::sleep;

use crate::network::process;
use crate::quorum::FORGOTTEN;
use crate::server::Server;
use crate::{another, get, set, some};

/// Longer than a pause of a store that nobody waits for, in milliseconds.
const PAUSE: u64 = 60;
const MINUTE: Duration = Duration::from_secs(60);

fn three() -> Vec<Server> {
    (0..3).map(|_| Server::new()).collect()
}

async fn delete(store: &impl Store, key: &str) {
    let deleted = store.delete_record(&DeleteRequest::new(key)).await;
    assert!(deleted.expect("a majority answers"), "it is there");
}

/// Whether a record of this value is kept by a server, as the quorum has written it.
async fn keeps(server: &Server, key: &str, value: &str) -> bool {
    let entry = server.get_record(key).await.expect("it is up");
    entry.is_some_and(|entry| entry.value.ends_with(value.as_bytes()))
}

/// Nobody brings a deleted record back when the deletion has been forgotten and one of those that knew it is down.
async fn stays_deleted(servers: &[Server], key: &str) {
    sleep(FORGOTTEN).await;
    servers[0].goes_down();
    assert_eq!(get(&another(servers), key).await.unwrap(), None);
    servers[0].comes_back();
}

#[tokio::test(start_paused = true)]
async fn an_emptied_store_that_answers_first_keeps_nobody_from_listing_what_a_slower_one_has() {
    for late in [15, 30, 300] {
        let servers = three();
        let (quorum, links) = process(&servers);
        for key in ["a", "b", "c"] {
            set(&quorum, key, "one").await;
        }
        let append = AppendRequest::new("log", 0, "first");
        quorum.append_log(&append).await.unwrap();
        links[2].takes(late);
        servers[1].comes_back_empty();
        for _ in 0..3 {
            let page = quorum.list_records(&ListRequest::new("")).await;
            assert!(page.is_ok(), "{late} ms late: {page:?}");
            assert_eq!(quorum.read_log("log", 0, 10).await.unwrap(), ["first"]);
        }
        let repaired = quorum.repair().await.unwrap();
        assert_eq!(repaired.stores_left_out, 0, "{late} ms late: {repaired:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_record_stays_deleted_when_one_that_knows_is_slower_than_one_that_does_not() {
    for is_read in [true, false] {
        let servers = three();
        let (quorum, links) = process(&servers);
        set(&quorum, "a", "one").await;
        servers[2].goes_down();
        delete(&quorum, "a").await;
        sleep(FORGOTTEN).await;
        links[0].takes(30);
        servers[2].comes_back();
        if is_read {
            assert_eq!(get(&quorum, "a").await.unwrap(), None);
        }
        // The repair in the background makes nothing else of it.
        set(&quorum, "b", "wakes it up").await;
        sleep(MINUTE).await;
        links[0].takes(0);
        assert_eq!(get(&quorum, "a").await.unwrap(), None);
        stays_deleted(&servers, "a").await;
    }
}

/// Two have accepted the deletion one after the other, and forget it one after the other.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_only_one_store_remembers_still_is_one() {
    let servers = three();
    let (quorum, links) = process(&servers);
    set(&quorum, "a", "one").await;
    servers[2].goes_down();
    links[1].takes(100);
    delete(&quorum, "a").await;
    links[1].takes(0);
    let is_kept_by = async |index: usize| servers[index].get_record("a").await.unwrap().is_some();
    while is_kept_by(0).await {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(is_kept_by(1).await, "it was the last to accept");
    servers[2].comes_back();
    assert_eq!(get(&quorum, "a").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_process_has_not_brought_to_a_store_when_it_ends_is_brought_by_the_next() {
    let servers = three();
    let (quorum, links) = process(&servers);
    set(&quorum, "a", "one").await;
    sleep(MINUTE).await;
    links[2].takes(PAUSE);
    delete(&quorum, "a").await;
    drop(quorum);
    assert!(keeps(&servers[2], "a", "one").await, "it has missed it");
    let next = another(&servers);
    set(&next, "b", "").await;
    sleep(MINUTE).await;
    stays_deleted(&servers, "a").await;
}

/// All of them have heard that a store lacks a record, and their stores are far away.
#[tokio::test(start_paused = true)]
async fn processes_that_bring_the_same_to_a_store_come_to_an_end() {
    let servers = three();
    let processes: Vec<_> = (0..4).map(|_| process(&servers)).collect();
    for (quorum, links) in &processes {
        get(quorum, "a").await.unwrap();
        for (link, late) in links.iter().zip([160, 40, 40]) {
            link.takes(late);
        }
    }
    sleep(MINUTE).await;
    servers[2].goes_down();
    let (quorum, _) = &processes[0];
    for key in ["a", "b", "c"] {
        set(quorum, key, "two").await;
    }
    servers[2].comes_back();
    for key in ["a", "b", "c"] {
        let reads = processes.iter().map(|(quorum, _)| get(quorum, key));
        for found in futures_util::future::join_all(reads).await {
            assert_eq!(found.unwrap(), some("two"));
        }
    }
    sleep(MINUTE).await;
    let written = async || servers[0].get_record("a").await.unwrap().unwrap().version;
    let before = written().await;
    for key in ["a", "b", "c"] {
        assert!(keeps(&servers[2], key, "two").await);
    }
    sleep(MINUTE).await;
    assert_eq!(written().await, before, "they still write");
}

/// It has answered first, and promised, and fails when it is to accept.
#[tokio::test(start_paused = true)]
async fn a_write_goes_on_with_a_slower_store_when_a_faster_one_has_just_failed() {
    let servers = three();
    let (_, links) = process(&servers);
    let fast = FaultStore::new(links[1].clone());
    let quorum = Quorum::of([
        Arc::new(links[0].clone()) as Arc<dyn Store>,
        Arc::new(fast.clone()),
        Arc::new(links[2].clone()),
    ]);
    set(&quorum, "a", "one").await;
    sleep(MINUTE).await;
    links[0].takes(PAUSE);
    let puts = Rule::on(Operation::Put).key_containing("a");
    // Promises come first.
    fast.inject(puts.skipping(1), Fault::BeforeSend);
    set(&quorum, "a", "two").await;
}

/// It lists what one store had before an entry, and another one, which lacks that entry, has after the next.
#[tokio::test(start_paused = true)]
async fn a_log_is_read_without_holes_while_it_is_written() {
    let servers = three();
    let process = || servers.iter().cloned().map(FaultStore::new).collect();
    let (writes, reads): (Vec<_>, Vec<_>) = (process(), process());
    let (writer, reader) = (Quorum::of(writes.clone()), Quorum::of(reads.clone()));
    let append = async |index: u64, entry: &'static str| {
        let append = AppendRequest::new("log", index, entry);
        writer.append_log(&append).await.unwrap();
    };
    append(0, "first").await;
    assert_eq!(reader.read_log("log", 0, 10).await.unwrap(), ["first"]);
    sleep(MINUTE).await;

    let before = reads[0].hold_reply(Operation::List);
    reads[1].inject(Operation::List, Fault::BeforeSend);
    let after = reads[2].hold(Operation::List);
    let reading = tokio::spawn(async move { reader.read_log("log", 0, 10).await });
    before.reached().await;
    after.reached().await;
    for (lacking, index, entry) in [(2, 1, "second"), (1, 2, "third")] {
        let put = Rule::on(Operation::Put).key_containing(format!("log/{index:012}"));
        writes[lacking].inject(put, Fault::BeforeSend);
        append(index, entry).await;
    }
    after.release();
    before.release();
    // The second may be there by now or not, the third not without it.
    assert_eq!(reading.await.unwrap().unwrap(), ["first"]);
}

/// It is one that has long been there.
#[tokio::test(start_paused = true)]
async fn what_a_reader_hears_that_a_store_lacks_is_brought_to_it() {
    let servers = three();
    let (reader, ways) = process(&servers);
    let (quorum, links) = process(&servers);
    set(&quorum, "a", "one").await;
    assert_eq!(get(&reader, "a").await.unwrap(), some("one"));
    sleep(MINUTE).await;
    links[2].takes(PAUSE);
    delete(&quorum, "a").await;
    drop(quorum);
    // So it hears the one that has missed it before there is a majority.
    ways[0].takes(4);
    assert_eq!(get(&reader, "a").await.unwrap(), None);
    sleep(MINUTE).await;
    stays_deleted(&servers, "a").await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_a_store_misses_during_a_repair_is_brought_to_it_as_well() {
    const RECORDS: usize = 300;
    let servers = three();
    let (quorum, links) = process(&servers);
    let key = |index: usize| format!("{index:03}");
    for index in 0..RECORDS {
        set(&quorum, &key(index), "one").await;
    }
    sleep(MINUTE).await;
    links[2].takes(PAUSE);
    for index in 0..RECORDS {
        set(&quorum, &key(index), "two").await;
    }
    for link in &links {
        link.takes(2);
    }
    sleep(Duration::from_millis(1_100)).await;
    set(&quorum, "other", "wakes it up").await;
    // The repair begins with the first.
    while !keeps(&servers[2], &key(RECORDS / 2), "two").await {
        sleep(Duration::from_millis(1)).await;
    }
    links[2].takes(PAUSE);
    delete(&quorum, &key(0)).await;
    links[2].takes(2);
    sleep(MINUTE).await;
    stays_deleted(&servers, &key(0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_is_gone_before_all_have_it_is_brought_to_all() {
    let servers = three();
    let links: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
    let quorum = Arc::new(Quorum::of(links.clone()));
    set(&*quorum, "a", "one").await;
    sleep(MINUTE).await;
    // Promises come first.
    let last = links[2].hold(Rule::on(Operation::Put).key_containing("a").skipping(1));
    let deleting = Arc::clone(&quorum);
    let deletion = tokio::spawn(async move { delete(&*deleting, "a").await });
    last.reached().await;
    deletion.abort();
    assert!(deletion.await.is_err(), "it waits a little for the last");
    drop(last);
    assert!(keeps(&servers[2], "a", "one").await, "it has missed it");
    sleep(MINUTE).await;
    stays_deleted(&servers, "a").await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_always_slower_than_the_others_gets_every_write() {
    for (near, far) in [(0, 30), (1, 8), (5, 25), (20, 90)] {
        let servers = three();
        let (quorum, links) = process(&servers);
        for (link, late) in links.iter().zip([near, near, far]) {
            link.takes(late);
        }
        for round in ["one", "two"] {
            for index in 0..20 {
                set(&quorum, &format!("{index}"), round).await;
            }
            sleep(MINUTE).await;
            for index in 0..20 {
                let key = format!("{index}");
                assert!(
                    keeps(&servers[2], &key, round).await,
                    "{key}, {far} ms late"
                );
            }
        }
        let repaired = quorum.repair().await.unwrap();
        assert_eq!((repaired.records, repaired.brought_up_to_date), (20, 0));
        assert_eq!(repaired.stores_left_out, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_slow_for_once_is_waited_for_again() {
    let servers = three();
    let (quorum, links) = process(&servers);
    set(&quorum, "a", "one").await;
    links[2].takes(PAUSE);
    set(&quorum, "a", "two").await;
    links[2].takes(5);
    // It is the last to answer, though not by much.
    for _ in 0..100 {
        set(&quorum, "b", "").await;
        sleep(Duration::from_millis(100)).await;
    }
    set(&quorum, "a", "three").await;
    assert!(keeps(&servers[2], "a", "three").await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_is_brought_what_it_missed_although_nobody_waits_for_it() {
    for (late, is_idle) in [(PAUSE, false), (PAUSE, true), (0, true)] {
        let servers = three();
        let (quorum, links) = process(&servers);
        set(&quorum, "a", "one").await;
        sleep(MINUTE).await;
        links[2].takes(late);
        servers[2].goes_down();
        set(&quorum, "a", "two").await;
        sleep(MINUTE).await;
        servers[2].comes_back();
        for _ in 0..60 {
            if !is_idle {
                set(&quorum, "b", "").await;
            }
            sleep(Duration::from_secs(1)).await;
        }
        assert!(keeps(&servers[2], "a", "two").await, "{late}, {is_idle}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_tells_of_a_store_that_still_lacks_something() {
    let servers = three();
    set(&another(&servers), "a", "one").await;
    servers[2].goes_down();
    set(&another(&servers), "a", "two").await;
    servers[2].comes_back();
    let links: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
    links[2].inject(Rule::on(Operation::Put), Fault::BeforeSend);
    let quorum = Quorum::of(links.clone());
    let repaired = quorum.repair().await.unwrap();
    assert_eq!(
        (repaired.brought_up_to_date, repaired.stores_left_out),
        (0, 1)
    );
    links[2].heal();
    let repaired = quorum.repair().await.unwrap();
    assert_eq!(
        (repaired.brought_up_to_date, repaired.stores_left_out),
        (1, 0)
    );
}

/// The store's word is asked for before it is taken in, and its mark afterwards.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_taken_in_while_it_is_asked_counts_for_nothing_that_it_said_before() {
    let servers = three();
    let first = another(&servers);
    set(&first, "other", "").await;
    servers[2].goes_down();
    set(&first, "a", "one").await;
    drop(first);
    servers[2].comes_back();
    servers[1].comes_back_empty();
    let (reader, ways) = process(&servers);
    assert_eq!(get(&reader, "nothing").await.unwrap(), None);
    ways[0].takes(PAUSE);
    ways[1].takes(20);
    let taken_in = async {
        sleep(Duration::from_millis(12)).await;
        another(&servers).repair().await.unwrap().stores_taken_in
    };
    let (found, taken_in) = tokio::join!(get(&reader, "a"), taken_in);
    assert_eq!((found.unwrap(), taken_in), (some("one"), 1));
}

/// Its disk is full, or it is a replica by now. It can be asked all the same.
#[tokio::test(start_paused = true)]
async fn others_are_not_written_to_all_the_time_for_one_that_refuses_to_write() {
    const RECORDS: usize = 20;
    let servers = three();
    let links: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
    let quorum = Quorum::of(links.clone());
    set(&quorum, "other", "").await;
    sleep(MINUTE).await;
    links[2].inject(Rule::on(Operation::Put), Fault::BeforeSend);
    for index in 0..RECORDS {
        set(&quorum, &index.to_string(), "one").await;
    }
    let written = links[0].count(Operation::Put);
    sleep(10 * MINUTE).await;
    let written = links[0].count(Operation::Put) - written;
    assert!(written < 600 * RECORDS, "more than one a second for each");
    links[2].heal();
    sleep(MINUTE).await;
    for index in 0..RECORDS {
        assert!(keeps(&servers[2], &index.to_string(), "one").await);
    }
}
