//! Taking stores in: a quorum that is founded, and stores that come back with less than they had.

use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{Condition, LeaseRequest, PutRequest, Quorum, Renewed, Store};
use coord::testing::{Fault, FaultStore, Operation, Rule};

use crate::quorum::failures;
use crate::server::Server;
use crate::{LONG, acquired, all_kinds_work, another, get, put, quorum_of, set, some};

/// The write reached two stores; one of them has lost it, and the third never had it.
async fn written_to_one_that_forgets(servers: &[Server], quorum: &Quorum) {
    set(quorum, "other", "").await;
    servers[2].goes_down();
    set(quorum, "a", "one").await;
    servers[1].comes_back_empty();
    servers[2].comes_back();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_empty_does_not_outvote_the_one_that_remembers() {
    for read_by_another in [false, true] {
        let (quorum, servers) = quorum_of(3);
        written_to_one_that_forgets(&servers, &quorum).await;
        let (it, other) = (&quorum, another(&servers));
        let reader = if read_by_another { &other } else { it };
        let taken = PutRequest::new("a", "two").when(Condition::Absent);
        assert!(!put(reader, &taken).await, "it is there");
        assert_eq!(get(reader, "a").await.unwrap(), some("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_empty_makes_no_majority_with_one_that_never_knew() {
    let (quorum, servers) = quorum_of(3);
    written_to_one_that_forgets(&servers, &quorum).await;
    servers[0].goes_down();
    for kind in failures(&another(&servers)).await {
        assert_eq!(kind, StoreErrorKind::NotApplied);
    }
    let error = get(&quorum, "a").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    servers[0].comes_back();
    assert_eq!(get(&quorum, "a").await.unwrap(), some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_came_back_empty_counts_when_it_is_repaired() {
    let (quorum, servers) = quorum_of(3);
    let lease = LeaseRequest::exclusive("lock", LONG);
    let token = acquired(&quorum, &lease).await;
    written_to_one_that_forgets(&servers, &quorum).await;

    let repaired = quorum.repair().await.unwrap();
    assert_eq!((repaired.stores_taken_in, repaired.stores_left_out), (1, 0));
    assert!(repaired.brought_up_to_date > 0, "{repaired:?}");
    let again = quorum.repair().await.unwrap();
    assert_eq!((again.brought_up_to_date, again.stores_taken_in), (0, 0));

    for away in &servers {
        away.goes_down();
        assert_eq!(get(&quorum, "a").await.unwrap(), some("one"));
        let renewed = quorum.renew_leases(&[lease.renewal()]).await.remove(0);
        assert_eq!(renewed.unwrap(), Renewed::Granted(token));
        all_kinds_work(&quorum, &format!("without {away:p}")).await;
        away.comes_back();
    }
}

/// It has told of the record in a listing, and then cannot be asked for it.
#[tokio::test(start_paused = true)]
async fn a_store_that_came_back_empty_is_not_taken_in_on_the_word_of_one_that_never_knew() {
    let (quorum, servers) = quorum_of(3);
    written_to_one_that_forgets(&servers, &quorum).await;
    drop(quorum);
    let links: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
    // Each request is sent twice.
    let asked = Rule::on(Operation::Get).key_containing("a").times(2);
    links[0].inject(asked, Fault::BeforeSend);
    let _ = Quorum::of(links).repair().await;
    for away in &servers {
        away.goes_down();
        if let Ok(found) = get(&another(&servers), "a").await {
            assert_eq!(found, some("one"), "without {away:p}");
        }
        away.comes_back();
    }
    assert_eq!(get(&another(&servers), "a").await.unwrap(), some("one"));
}

#[tokio::test(start_paused = true)]
async fn stores_are_repaired_in_the_background_one_after_the_other() {
    let (quorum, servers) = quorum_of(3);
    set(&quorum, "a", "one").await;
    // Each in turn loses everything. Without repairs, nothing would be left.
    for (round, server) in servers.iter().enumerate() {
        server.comes_back_empty();
        let unused = format!("nothing {round}");
        assert_eq!(get(&quorum, &unused).await.unwrap(), None);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(get(&quorum, "a").await.unwrap(), some("one"));
    }
}

/// Nobody asks the quorum for anything meanwhile.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_once_while_it_is_taken_in_is_taken_in_all_the_same() {
    for (what, earlier) in [("quorum", 0), ("quorum", 1), ("key", 0), ("key", 1)] {
        let servers: Vec<_> = (0..3).map(|_| Server::new()).collect();
        let links: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
        let quorum = Quorum::of(links.clone());
        set(&quorum, "key", "one").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        servers[2].comes_back_empty();
        // Each request is sent twice.
        let put = Rule::on(Operation::Put).key_containing(what);
        links[2].inject(put.skipping(earlier).times(2), Fault::BeforeSend);
        set(&quorum, "other", "").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        servers[1].comes_back_empty();
        let found = get(&quorum, "key").await;
        assert_eq!(found.unwrap(), some("one"), "{what}, {earlier}");
    }
}

/// The first one ends before the repair has had its first turn.
#[test]
fn a_runtime_that_ends_keeps_no_later_one_from_repairing() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let (quorum, servers) = quorum_of(3);
    runtime().block_on(set(&quorum, "a", "one"));
    servers[0].comes_back_empty();
    let found = runtime().block_on(get(&quorum, "nothing"));
    assert_eq!(found.unwrap(), None);
    runtime().block_on(async {
        assert_eq!(get(&quorum, "nothing").await.unwrap(), None);
        tokio::time::sleep(Duration::from_secs(30)).await;
        servers[1].comes_back_empty();
        assert_eq!(get(&quorum, "a").await.unwrap(), some("one"));
    });
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_is_brought_up_to_date_in_the_background() {
    let (quorum, servers) = quorum_of(3);
    set(&quorum, "a", "one").await;
    servers[0].goes_down();
    set(&quorum, "a", "two").await;
    servers[0].comes_back();
    set(&quorum, "b", "wakes it up").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    // One of those two that had it is replaced by one that has nothing.
    servers[1].comes_back_empty();
    servers[2].goes_down();
    // The other one cannot tell alone, and does not.
    assert!(get(&quorum, "nothing").await.is_err());
    servers[2].comes_back();
    assert_eq!(get(&quorum, "a").await.unwrap(), some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_majority_that_comes_back_empty_is_refused_until_all_are_empty() {
    let (quorum, servers) = quorum_of(3);
    set(&quorum, "a", "one").await;
    let before = acquired(&quorum, &LeaseRequest::exclusive("lock", LONG)).await;
    servers[0].comes_back_empty();
    servers[1].comes_back_empty();
    for quorum in [&quorum, &another(&servers)] {
        let error = get(quorum, "nothing").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        let lease = LeaseRequest::exclusive("lock", LONG);
        assert!(quorum.acquire_lease(&lease).await.is_err());
    }
    servers[2].comes_back_empty();
    assert_eq!(get(&quorum, "a").await.unwrap(), None);
    let after = acquired(&quorum, &LeaseRequest::exclusive("lock", LONG)).await;
    assert!(after > before, "{after} follows {before}");
}

#[tokio::test(start_paused = true)]
async fn a_quorum_is_founded_when_all_of_its_stores_are_there() {
    let (quorum, servers) = quorum_of(3);
    servers[1].goes_down();
    let error = get(&quorum, "a").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    assert!(error.to_string().contains("first time"), "{error}");
    servers[1].comes_back();
    all_kinds_work(&quorum, "a").await;
    servers[1].goes_down();
    all_kinds_work(&another(&servers), "b").await;
}

/// The founder dies after each of its requests, and one of the stores may lose its data then.
#[tokio::test(start_paused = true)]
async fn a_founding_that_was_cut_short_is_gone_on_with() {
    for requests in 0..6 {
        for emptied in [None, Some(0), Some(1), Some(2)] {
            let servers: Vec<_> = (0..3).map(|_| Server::new()).collect();
            let stores: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
            let of_each = |index: usize| (requests + 2 - index) / 3;
            for (index, store) in stores.iter().enumerate() {
                let rule = Rule::on(Operation::Put).skipping(of_each(index));
                store.inject(rule, Fault::BeforeSend);
            }
            let founder = Quorum::of(stores);
            let _ = get(&founder, "a").await;
            if let Some(index) = emptied {
                servers[index].comes_back_empty();
            }
            let quorum = another(&servers);
            all_kinds_work(&quorum, "a").await;
            assert_eq!(quorum.repair().await.unwrap().stores_left_out, 0);
            servers[2].goes_down();
            all_kinds_work(&another(&servers), "b").await;
        }
    }
}

/// One asks a store for its mark before another founds the quorum, and the others after that.
#[tokio::test(start_paused = true)]
async fn one_who_looks_while_another_founds_sees_no_loss() {
    for asked_late in 0..3 {
        let servers: Vec<_> = (0..3).map(|_| Server::new()).collect();
        let links: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
        let first = Rule::on(Operation::Get).times(1);
        links[asked_late].inject(first, Fault::Delay(Duration::from_millis(50)));
        let (one, other) = (Quorum::of(links), another(&servers));
        let (seen, ()) = tokio::join!(get(&one, "a"), all_kinds_work(&other, "b"));
        assert_eq!(seen.unwrap(), None);
        all_kinds_work(&one, "a").await;
    }
}
