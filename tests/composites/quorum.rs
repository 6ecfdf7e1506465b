//! A quorum while some of its stores are away, hang, or have lost their data.

use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{
    Acquired, Append, AppendRequest, Condition, DeleteRequest, LeaseRequest, ListRequest,
    PutRequest, Quorum, Renewed, Store, StoreExt,
};
use coord::testing::{Fault, FaultStore, Operation, Rule};

use crate::server::Server;
use crate::{LONG, acquired, another, get, put, quorum_of, set, some};

/// Longer than a deleted record is remembered.
const FORGOTTEN: Duration = Duration::from_secs(700);

async fn all_kinds_work(store: &impl Store, name: &str) {
    set(store, name, "one").await;
    assert_eq!(get(store, name).await.unwrap(), some("one"));
    let listed = PutRequest::new(format!("{name}/listed"), "").listed();
    assert!(put(store, &listed).await);
    let page = store
        .list_records(&ListRequest::new(format!("{name}/")))
        .await;
    assert_eq!(page.unwrap().entries.len(), 1);
    let append = AppendRequest::new(name, 0, "entry");
    assert_eq!(store.append_log(&append).await.unwrap(), Append::Appended);
    assert_eq!(store.read_log(name, 0, 10).await.unwrap(), ["entry"]);

    let (holder, waiter) = (
        LeaseRequest::exclusive(name, LONG),
        LeaseRequest::exclusive(name, LONG).queue(LONG),
    );
    let token = acquired(store, &holder).await;
    let place = store.acquire_lease(&waiter).await.unwrap();
    assert!(
        matches!(place, Acquired::Waiting { ahead: 1, .. }),
        "{place:?}"
    );
    assert!(store.release_lease(&holder.lease).await.unwrap());
    let renewed = store
        .renew_leases(&[waiter.renewal()])
        .await
        .remove(0)
        .unwrap();
    assert!(matches!(renewed, Renewed::Granted(next) if next > token));
    assert!(store.release_lease(&waiter.lease).await.unwrap());
}

fn go_down(servers: &[Server], which: &[usize]) {
    for index in which {
        servers[*index].goes_down();
    }
}

fn come_back(servers: &[Server], which: &[usize]) {
    for index in which {
        servers[*index].comes_back();
    }
}

/// What an operation of each kind fails with.
async fn failures(store: &impl Store) -> Vec<StoreErrorKind> {
    let lease = LeaseRequest::exclusive("a", LONG);
    [
        store.get_record("a").await.err(),
        store.put_record(&PutRequest::new("a", "late")).await.err(),
        store
            .put_record(&PutRequest::new("b", "late").when(Condition::Absent))
            .await
            .err(),
        store.delete_record(&DeleteRequest::new("a")).await.err(),
        store.list_records(&ListRequest::new("")).await.err(),
        store.acquire_lease(&lease).await.err(),
        store.renew_leases(&[lease.renewal()]).await.remove(0).err(),
        store.release_lease(&lease.lease).await.err(),
        store.inspect_lease("a").await.err(),
        store
            .append_log(&AppendRequest::new("a", 0, "late"))
            .await
            .err(),
        store.read_log("a", 0, 10).await.err(),
        store.expire_log("a", LONG).await.err(),
    ]
    .into_iter()
    .map(|error| error.expect("no majority can answer").kind())
    .collect()
}

#[tokio::test(start_paused = true)]
async fn two_of_five_stores_down_change_nothing() {
    let (quorum, servers) = quorum_of(5);
    all_kinds_work(&quorum, "before").await;
    for pair in [[0, 1], [1, 3], [4, 0]] {
        go_down(&servers, &pair);
        all_kinds_work(&quorum, &format!("without {pair:?}")).await;
        assert_eq!(get(&quorum, "before").await.unwrap(), some("one"));
        come_back(&servers, &pair);
    }
}

#[tokio::test(start_paused = true)]
async fn three_of_five_stores_down_refuse_everything_and_nothing_is_left_of_it() {
    let (quorum, servers) = quorum_of(5);
    set(&quorum, "a", "one").await;
    for server in &servers[..3] {
        server.goes_down();
    }
    for kind in failures(&quorum).await {
        assert_eq!(kind, StoreErrorKind::NotApplied, "no proposal was sent");
    }
    for server in &servers {
        server.comes_back();
    }
    assert_eq!(get(&quorum, "a").await.unwrap(), some("one"));
    assert_eq!(get(&quorum, "b").await.unwrap(), None);
    assert_eq!(quorum.inspect_lease("a").await.unwrap(), []);
    acquired(&quorum, &LeaseRequest::exclusive("a", LONG)).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_up_nobody() {
    let (quorum, servers) = quorum_of(3);
    all_kinds_work(&quorum, "before").await;
    servers[1].hangs();
    // Far less than the limits of so many calls would add up to.
    let work = all_kinds_work(&quorum, "meanwhile");
    let outcome = tokio::time::timeout(Duration::from_secs(1), work).await;
    assert!(outcome.is_ok(), "it waits for the one that hangs");
}

#[tokio::test(start_paused = true)]
async fn a_majority_that_hangs_is_an_error_within_the_limits() {
    let (quorum, servers) = quorum_of(3);
    set(&quorum, "a", "one").await;
    servers[0].hangs();
    servers[2].hangs();
    let all = tokio::time::timeout(Duration::from_secs(600), failures(&quorum)).await;
    let retryable = [StoreErrorKind::NotApplied, StoreErrorKind::Unknown];
    for kind in all.expect("no call hangs") {
        assert!(retryable.contains(&kind), "{kind:?}");
    }
    servers[0].comes_back();
    assert_eq!(get(&quorum, "a").await.unwrap(), some("one"));
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_found_by_whichever_majority_answers() {
    let (quorum, servers) = quorum_of(5);
    set(&quorum, "a", "founded").await;
    for (index, pair) in [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]
        .into_iter()
        .enumerate()
    {
        go_down(&servers, &pair);
        set(&quorum, "a", &index.to_string()).await;
        come_back(&servers, &pair);
        for pair in [[0, 1], [0, 2], [1, 4], [2, 3], [3, 4]] {
            go_down(&servers, &pair);
            assert_eq!(
                get(&another(&servers), "a").await.unwrap(),
                some(&index.to_string())
            );
            come_back(&servers, &pair);
        }
    }
}

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
async fn tokens_grow_whoever_loses_what() {
    let (quorum, servers) = quorum_of(3);
    let mut last = None;
    for round in 0..6 {
        for (index, server) in servers.iter().enumerate() {
            match round {
                1 | 3 => server.comes_back_empty(),
                2 if index == 0 => server.goes_down(),
                _ => server.comes_back(),
            }
        }
        let quorum = if round % 2 == 0 {
            &quorum
        } else {
            &another(&servers)
        };
        let lease = LeaseRequest::exclusive("lock", LONG);
        let token = acquired(quorum, &lease).await;
        assert!(
            last.is_none_or(|last| token > last),
            "{token} in round {round}"
        );
        last = Some(token);
        assert!(quorum.release_lease(&lease.lease).await.unwrap());
    }
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

#[tokio::test(start_paused = true)]
async fn a_deleted_record_stays_deleted_when_a_store_comes_back_that_had_it() {
    for expires in [false, true] {
        let (quorum, servers) = quorum_of(3);
        set(&quorum, "a", "one").await;
        servers[0].goes_down();
        if expires {
            quorum
                .set("a", "two", Duration::from_secs(1))
                .await
                .unwrap();
        } else {
            assert!(
                quorum
                    .delete_record(&DeleteRequest::new("a"))
                    .await
                    .unwrap()
            );
        }
        tokio::time::sleep(FORGOTTEN).await;
        servers[0].comes_back();
        for quorum in [&quorum, &another(&servers)] {
            assert_eq!(get(quorum, "a").await.unwrap(), None);
            let page = quorum.list_records(&ListRequest::new("")).await.unwrap();
            assert_eq!(page.entries, []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_not_lost_to_a_store_that_still_remembers_the_record_before() {
    let (quorum, servers) = quorum_of(3);
    set(&quorum, "a", "one").await;
    servers[0].goes_down();
    assert!(
        quorum
            .delete_record(&DeleteRequest::new("a"))
            .await
            .unwrap()
    );
    tokio::time::sleep(FORGOTTEN).await;
    set(&another(&servers), "a", "two").await;
    servers[0].comes_back();
    for away in &servers[1..] {
        away.goes_down();
        assert_eq!(get(&quorum, "a").await.unwrap(), some("two"));
        away.comes_back();
    }
}

/// The process dies when a part of the stores has accepted: whoever comes next decides, and all agree from then on.
#[tokio::test(start_paused = true)]
async fn a_write_cut_short_is_finished_or_dropped_and_known_again() {
    for reached in 0..=3_usize {
        let servers: Vec<_> = (0..3).map(|_| Server::new()).collect();
        set(&another(&servers), "a", "one").await;
        let stores: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
        for store in &stores[reached..] {
            // Promises come first.
            let rule = Rule::on(Operation::Put).key_containing("a").skipping(1);
            store.inject(rule, Fault::BeforeSend);
        }
        let request = PutRequest::new("a", "two").when(Condition::Value("one".into()));
        let outcome = Quorum::of(stores).put_record(&request).await;
        assert_eq!(outcome.is_ok(), reached >= 2, "{outcome:?}");

        let found = get(&another(&servers), "a").await.unwrap();
        if reached >= 2 {
            assert_eq!(found, some("two"));
        }
        for _ in 0..2 {
            assert_eq!(get(&another(&servers), "a").await.unwrap(), found);
        }
        assert!(
            put(&another(&servers), &request).await,
            "it is known again, or done now"
        );
        assert_eq!(get(&another(&servers), "a").await.unwrap(), some("two"));
        set(&another(&servers), "a", "three").await;
        assert!(put(&another(&servers), &request).await);
        assert_eq!(
            get(&another(&servers), "a").await.unwrap(),
            some("three"),
            "once"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_have_written_is_told_and_left_alone() {
    let (quorum, servers) = quorum_of(3);
    for server in &servers {
        set(server, "a", "not of a quorum").await;
    }
    let error = get(&quorum, "a").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected, "{error}");
    assert_eq!(
        quorum
            .list_records(&ListRequest::new(""))
            .await
            .unwrap()
            .entries,
        []
    );
    quorum.repair().await.unwrap();
    assert_eq!(
        get(&servers[0], "a").await.unwrap(),
        some("not of a quorum")
    );
}

/// A majority of semaphores with two permits each would let three in.
#[tokio::test(start_paused = true)]
async fn a_semaphore_lets_no_more_in_than_it_has_permits() {
    let (quorum, servers) = quorum_of(3);
    let mut granted = 0;
    for away in &servers {
        set(&quorum, "founded", "").await;
        away.goes_down();
        let lease = LeaseRequest::exclusive("a", LONG).weighing(1, 2);
        let answer = quorum.acquire_lease(&lease).await.unwrap();
        granted += usize::from(matches!(answer, Acquired::Granted(_)));
        away.comes_back();
    }
    assert_eq!(granted, 2);
}

#[tokio::test(start_paused = true)]
async fn a_quorum_that_is_dropped_leaves_no_task_behind() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let (quorum, servers) = quorum_of(3);
    set(&quorum, "a", "one").await;
    servers[0].comes_back_empty();
    assert_eq!(get(&quorum, "b").await.unwrap(), None);
    assert_eq!(tasks(), 1, "it is repaired");
    drop(quorum);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}
