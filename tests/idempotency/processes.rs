//! Many processes, and processes that die or stand still in the middle of a call.

use std::time::Duration;

use coord::store::RedisStore;
use coord::{Coordinator, Error, Outcome};
use coord_tests::{Proxy, RedisServer, Worker, until};

const NAMESPACE: &str = "processes";
/// A lease that ends while a test waits for it, and one that does not.
const SHORT: Duration = Duration::from_millis(600);
const LONG: Duration = Duration::from_secs(60);
const KEY: &str = "payment:1";

pub(crate) async fn worker(url: &str, namespace: &str, lease: Duration) -> Worker {
    let lease = lease.as_millis().to_string();
    let path = env!("CARGO_BIN_EXE_idempotency_worker");
    let mut worker = Worker::spawn(path, [url, namespace, &lease]);
    worker.expect_line("ready").await;
    worker
}

async fn coordinator(url: &str) -> Coordinator {
    let store = RedisStore::connect(url).await.expect("a server");
    Coordinator::builder()
        .store(store)
        .namespace(NAMESPACE)
        .build()
}

async fn state(coord: &Coordinator) -> Option<char> {
    let name = format!("{NAMESPACE}/idempotency/{KEY}");
    let record = coord.store().get_record(&name).await;
    let value = record.expect("the server answers")?.value;
    value.first().map(|letter| char::from(*letter))
}

async fn pays(coord: &Coordinator, value: u64) -> Result<Outcome<u64>, Error> {
    let call = coord.idempotency(KEY);
    call.outcome(async || Ok(value)).await
}

#[tokio::test]
async fn a_thousand_callers_in_four_processes_get_the_value_of_one_body() {
    let server = RedisServer::start().await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(worker(&server.url(), NAMESPACE, LONG).await);
    }
    for worker in &mut workers {
        worker.send_line("many a 250");
    }
    let mut bodies = 0;
    let mut values = Vec::new();
    for worker in &mut workers {
        let ran = worker.expect_line("ran ").await;
        let (count, value) = ran.split_once(' ').expect("a count and a value");
        bodies += count.parse::<u64>().expect("a count");
        values.push(value.to_owned());
    }
    assert_eq!(bodies, 1);
    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
}

/// Those who come later and those who wait already get one value, which a later run has produced.
async fn is_followed_by_one_run(server: &RedisServer, coord: &Coordinator, dies: Worker) {
    let mut waits = worker(&server.url(), NAMESPACE, LONG).await;
    waits.send_line(&format!("call {KEY}"));
    dies.kill();
    assert!(!dies.until_exit().await);
    waits.expect_line("body ").await;
    let later = tokio::spawn({
        let coord = coord.clone();
        async move { pays(&coord, 8).await }
    });
    waits.send_line("go on");
    let value: u64 = waits
        .expect_line("executed ")
        .await
        .parse()
        .expect("a value");
    assert_eq!(later.await.unwrap().unwrap(), Outcome::Replayed(value));
    assert_eq!(pays(coord, 9).await.unwrap(), Outcome::Replayed(value));
}

/// The store has the record, and the process never hears of it.
#[tokio::test]
async fn a_process_that_is_killed_after_its_begin_is_followed_by_one_run() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&server.url()).await;
    let mut dies = worker(&proxy.url(), NAMESPACE, SHORT).await;
    proxy.swallow_replies(true);
    dies.send_line(&format!("call {KEY}"));
    until("the record", async || state(&coord).await).await;
    is_followed_by_one_run(&server, &coord, dies).await;
}

#[tokio::test]
async fn a_process_that_is_killed_in_its_body_is_followed_by_one_run() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let mut dies = worker(&server.url(), NAMESPACE, SHORT).await;
    dies.send_line(&format!("call {KEY}"));
    dies.expect_line("body 1").await;
    is_followed_by_one_run(&server, &coord, dies).await;
}

/// The body has run, and its result does not get to the store.
#[tokio::test]
async fn a_process_that_is_killed_before_its_completion_is_followed_by_one_run() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&server.url()).await;
    let mut dies = worker(&proxy.url(), NAMESPACE, SHORT).await;
    dies.send_line(&format!("call {KEY}"));
    dies.expect_line("body 1").await;
    proxy.swallow_requests(true);
    let completion = proxy.until_request("EVALSHA");
    dies.send_line("go on");
    completion.await;
    assert_eq!(state(&coord).await, Some('R'));
    is_followed_by_one_run(&server, &coord, dies).await;
}

/// The result is there, and the process dies before it hears so: nobody runs the body again.
#[tokio::test]
async fn a_process_that_is_killed_after_its_completion_has_done_its_work() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&server.url()).await;
    let mut dies = worker(&proxy.url(), NAMESPACE, SHORT).await;
    dies.send_line(&format!("call {KEY}"));
    dies.expect_line("body 1").await;
    proxy.swallow_replies(true);
    dies.send_line("go on");
    until("the result", async || {
        (state(&coord).await == Some('V')).then_some(())
    })
    .await;
    dies.kill();
    assert!(pays(&coord, 8).await.unwrap().is_replayed());
}

/// It stood still for longer than its lease, in its body, and another took over meanwhile.
#[tokio::test]
async fn a_process_that_was_paused_for_too_long_does_not_get_its_result_in() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let mut paused = worker(&server.url(), NAMESPACE, SHORT).await;
    paused.send_line(&format!("call {KEY}"));
    paused.expect_line("body 1").await;
    paused.pause();
    assert_eq!(pays(&coord, 8).await.unwrap(), Outcome::Executed(8));
    paused.send_line("go on");
    paused.resume();
    let told = paused.expect_line("failed ").await;
    assert!(told.contains("was lost"), "{told}");
    assert_eq!(pays(&coord, 9).await.unwrap(), Outcome::Replayed(8));
}

/// Connections break again and again; no call is lost, and none runs twice.
#[tokio::test]
async fn calls_outlive_connections() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&proxy.url()).await;
    for number in 0..40_u64 {
        match number % 4 {
            0 => proxy.cut_before_next("EVALSHA", 1),
            1 => proxy.cut_after_next("EVALSHA", 1),
            2 => proxy.cut(),
            _ => {}
        }
        let key = format!("k{}", number / 2);
        let call = coord.idempotency(key);
        let outcome = call.outcome(async || Ok::<_, Error>(number)).await.unwrap();
        let expected = if number % 2 == 0 {
            Outcome::Executed(number)
        } else {
            Outcome::Replayed(number - 1)
        };
        assert_eq!(outcome, expected);
    }
}
