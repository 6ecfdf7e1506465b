//! Recovery, by several at once and through bad times.

use std::time::Duration;

use coord::__private::{run_saga, start_saga};
use coord::saga;
use coord::saga::Recovered;
use coord::store::{Entry, ListRequest};
use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord_tests::fleet::Fleet;
use coord_tests::until;
use serde::{Deserialize, Deserializer, Serialize};

use crate::running::{dies, faulty, stands_in};
use crate::shop::{Does, Door, Order, Shop, ShopError, order, process};

/// The ttl of memberships here.
const TTL: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The places in the lists of what executors have.
async fn listed(fleet: &Fleet) -> Vec<Entry> {
    let listed = ListRequest::new(format!("{}/saga-owned/", fleet.namespace()));
    let listed = fleet.store().list_records(&listed).await.unwrap();
    listed.entries.into_iter().map(|(_, entry)| entry).collect()
}

/// It asks nothing of it any more, and keeps no place in its list for it; unless somebody in its process wants
/// the saga's end.
pub(crate) async fn a_recovery_that_comes_second_leaves_the_saga_to_the_first(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let (_door, _handle) = stands_in(&dead, &shop, "charge").await;
    dies(&store);
    fleet.let_pass(TTL).await;

    // The second one is about to become the owner when the first one does.
    let (store, second) = faulty(fleet, &shop).await;
    let held = store.hold(Rule::on(Operation::Put).skipping(1));
    assert_eq!(second.recover().await.unwrap().resumed, 1);
    held.reached().await;
    let first = process(fleet, &shop).await;
    let door = Door::default();
    shop.order("charge", Does::Waits(door.clone()));
    assert_eq!(first.recover().await.unwrap().resumed, 1);
    door.reached().await;
    let looked = store.count(Operation::Inspect);
    held.release();
    until("the second to look whether the first lives", async || {
        (store.count(Operation::Inspect) > looked).then_some(())
    })
    .await;
    let asked = || store.count(Operation::Get) + store.count(Operation::Watch);
    let before = asked();
    fleet.let_pass(TTL).await;
    assert_eq!(asked(), before, "it looks on");

    let id = "8".to_owned();
    run_saga(Some(&second), Order { id, total: 1 })
        .await
        .unwrap();
    door.open();
    run_saga(Some(&first), order()).await.unwrap();
    let asked = shop.asked();
    assert_eq!(
        asked.iter().filter(|what| *what == "charge").count(),
        3,
        "{asked:?}"
    );
    until("one place for each of those who live", async || {
        first.recover().await.unwrap();
        (listed(fleet).await.len() == 2).then_some(())
    })
    .await;
}

/// The next head is sent and does not arrive yet, and none that is sent after it.
fn delays_a_head(store: &FaultStore) {
    let heads = || Rule::on(Operation::Put).key_containing("/saga/");
    store.inject(heads().times(1), Fault::AfterSend);
    store.inject(heads(), Fault::BeforeSend);
}

/// The head arrives when its executor is not a member any more, and that was looked through; and then the process dies.
pub(crate) async fn a_saga_whose_head_arrives_late_is_found(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    delays_a_head(&store);
    let _handle = start_saga(Some(&dead), order()).unwrap();
    until("the head to be on its way", async || {
        (store.count(Operation::Put) > 1).then_some(())
    })
    .await;
    dies(&store);
    fleet.let_pass(TTL).await;
    let other = process(fleet, &shop).await;
    assert_eq!(other.recover().await.unwrap(), Recovered::default());

    assert_eq!(store.deliver().await, 1);
    let found = other.recover().await.unwrap();
    assert_eq!(found.resumed, 1, "{found:?}");
    run_saga(Some(&other), order()).await.unwrap();
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
}

/// A process has died whose saga is on its way, and there is no trace of that yet.
async fn died_before_its_head_arrives(fleet: &Fleet, shop: &Shop) -> FaultStore {
    let (store, dead) = faulty(fleet, shop).await;
    delays_a_head(&store);
    let _handle = start_saga(Some(&dead), order()).unwrap();
    until("the head to be on its way", async || {
        (store.count(Operation::Put) > 1).then_some(())
    })
    .await;
    dies(&store);
    fleet.let_pass(TTL).await;
    dead.shutdown().await;
    let other = process(fleet, shop).await;
    assert_eq!(other.recover().await.unwrap(), Recovered::default());
    store
}

#[tokio::test(start_paused = true)]
async fn a_saga_whose_head_arrives_late_is_found_though_nobody_looks_for_days() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let store = died_before_its_head_arrives(&fleet, &shop).await;
    assert_eq!(store.deliver().await, 1);
    fleet.let_pass(DAY * 3).await;
    let other = process(&fleet, &shop).await;
    assert_eq!(other.recover().await.unwrap().resumed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_saga_whose_head_has_arrived_late_stays_listed() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let store = died_before_its_head_arrives(&fleet, &shop).await;
    assert_eq!(store.deliver().await, 1);
    let unable = fleet.process().await;
    assert_eq!(unable.recover().await.unwrap().failed, 1);
    assert!(
        listed(&fleet)
            .await
            .iter()
            .all(|listed| listed.expires_in.is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn a_saga_whose_head_never_arrives_is_not_listed_in_the_end() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let _store = died_before_its_head_arrives(&fleet, &shop).await;
    let other = process(&fleet, &shop).await;
    other.recover().await.unwrap();
    assert_eq!(listed(&fleet).await.len(), 1);
    fleet.let_pass(DAY).await;
    other.recover().await.unwrap();
    assert_eq!(listed(&fleet).await.len(), 0);
}

/// A saga of which one cannot be read.
#[saga("glass:<id>")]
#[derive(Serialize, Deserialize)]
struct Glass {
    #[serde(deserialize_with = "unless_it_is_13")]
    id: u64,
}

#[saga]
impl Glass {
    #[step]
    async fn pack(&self, #[dep] shop: &Shop) -> Result<String, ShopError> {
        shop.does("pack", 1).await
    }
}

fn unless_it_is_13<'de, D: Deserializer<'de>>(stored: D) -> Result<u64, D::Error> {
    let id = u64::deserialize(stored)?;
    assert!(id != 13, "there is no such glass");
    Ok(id)
}

#[tokio::test(start_paused = true)]
async fn a_saga_whose_input_panics_when_it_is_read_keeps_no_other_from_recovery() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, dead) = faulty(&fleet, &shop).await;
    for id in [12, 13, 14] {
        let door = Door::default();
        shop.order("pack", Does::Waits(door.clone()));
        let _handle = Glass { id }.start_with(&dead).unwrap();
        door.reached().await;
    }
    dies(&store);
    fleet.let_pass(TTL).await;
    let other = process(&fleet, &shop).await;
    let recovered = other.recover().await.unwrap();
    assert_eq!((recovered.resumed, recovered.failed), (2, 1));
}

/// One that takes it over is not its owner yet when somebody looks who cannot go on with it, and then is, and dies.
pub(crate) async fn a_saga_whose_takeover_arrives_late_is_found(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, first) = faulty(fleet, &shop).await;
    let (_door, _handle) = stands_in(&first, &shop, "charge").await;
    dies(&store);
    fleet.let_pass(TTL).await;
    let (store, second) = faulty(fleet, &shop).await;
    delays_a_head(&store);
    assert_eq!(second.recover().await.unwrap().resumed, 1);
    until("the takeover to be on its way", async || {
        (store.count(Operation::Put) > 1).then_some(())
    })
    .await;
    dies(&store);
    fleet.let_pass(TTL).await;
    let unable = fleet.process().await;
    assert_eq!(unable.recover().await.unwrap().failed, 2);

    assert_eq!(store.deliver().await, 1);
    let able = process(fleet, &shop).await;
    assert!(able.recover().await.unwrap().resumed >= 1);
    run_saga(Some(&able), order()).await.unwrap();
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
}

/// Their places in its list are for its next sagas.
#[tokio::test(start_paused = true)]
async fn a_process_does_not_ask_for_its_own_sagas_that_have_ended() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, coord) = faulty(&fleet, &shop).await;
    for id in 1..4 {
        Glass { id }.run_with(&coord).await.unwrap();
    }
    store.forget_operations();
    assert_eq!(coord.recover().await.unwrap(), Recovered::default());
    assert_eq!(store.count(Operation::Get), 0);
}
