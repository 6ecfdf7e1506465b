//! A quorum while some of its stores are away, hang, or have lost their data.

use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{
    Acquired, AppendRequest, Condition, DeleteRequest, LeaseRequest, ListRequest, PutRequest,
    Quorum, Store, StoreExt,
};
use coord::testing::{Fault, FaultStore, Operation, Rule};

use crate::server::Server;
use crate::{LONG, acquired, all_kinds_work, another, get, put, quorum_of, set, some};

/// Longer than a deleted record is remembered.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(700);

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
pub(crate) async fn failures(store: &impl Store) -> Vec<StoreErrorKind> {
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

/// One store has accepted it, and then the others cannot say any more what becomes of it.
#[tokio::test(start_paused = true)]
async fn a_write_that_one_store_has_accepted_is_not_said_to_be_surely_not_done() {
    let (first, servers) = quorum_of(3);
    set(&first, "a", "one").await;
    drop(first);
    let of_a = |operation| Rule::on(operation).key_containing("a").skipping(1);
    let links: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
    // Promises come first.
    let accepts = links.iter().map(|link| link.hold(of_a(Operation::Put)));
    let accepts: Vec<_> = accepts.collect();
    let again: Vec<_> = links[1..]
        .iter()
        .map(|link| link.hold(of_a(Operation::Get)))
        .collect();
    let quorum = Quorum::of(links.clone());
    let write = tokio::spawn(async move { quorum.put_record(&PutRequest::new("a", "two")).await });
    for accept in &accepts {
        accept.reached().await;
    }
    // Somebody else has got the promises of two of them, and dies.
    let others: Vec<_> = servers.iter().cloned().map(FaultStore::new).collect();
    others[0].inject(Rule::on(Operation::Put), Fault::BeforeSend);
    let proposals: Vec<_> = others[1..]
        .iter()
        .map(|link| link.hold(of_a(Operation::Put)))
        .collect();
    let other = Quorum::of(others);
    let dies = tokio::spawn(async move { other.put_record(&PutRequest::new("a", "other")).await });
    for proposal in &proposals {
        proposal.reached().await;
    }
    dies.abort();
    drop(accepts);
    for look in &again {
        look.reached().await;
    }
    servers[1].comes_back_empty();
    servers[2].goes_down();
    drop(again);
    let error = write.await.unwrap().unwrap_err();
    servers[2].comes_back();
    let found = get(&another(&servers), "a").await.unwrap();
    assert_eq!(
        (error.kind(), found),
        (StoreErrorKind::Unknown, some("two"))
    );
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
    // Its stores are looked at once, when it begins.
    tokio::task::yield_now().await;
    servers[0].comes_back_empty();
    assert_eq!(get(&quorum, "b").await.unwrap(), None);
    assert_eq!(tasks(), 1, "it is repaired");
    drop(quorum);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}
