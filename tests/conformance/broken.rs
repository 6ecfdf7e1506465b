//! A store that breaks the contract: the suite says so, by the names of the cases that failed.

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use coord::store::{
    Acquired, DeleteRequest, Entry, LeaseId, LeaseRequest, ListRequest, MemoryStore, OperationId,
    Page, Put, PutRequest, Renewal, Renewed, Result, Store,
};
use coord::testing::{store_conformance, store_conformance_case};
use futures_util::FutureExt;

/// Records that take each request for a new one, so that one that is sent again is done again.
struct NotReplaySafe(MemoryStore);

#[async_trait]
impl Store for NotReplaySafe {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        self.0.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        let operation = OperationId::random();
        self.0
            .put_record(&PutRequest {
                operation,
                ..request.clone()
            })
            .await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        self.0.delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        self.0.list_records(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_know_a_request_again_is_found_out() {
    let suite = store_conformance(|| async { NotReplaySafe(MemoryStore::new()) });
    let panic = AssertUnwindSafe(suite)
        .catch_unwind()
        .await
        .expect_err("the store is broken");
    let report = panic.downcast::<String>().expect("the report is text");

    let (summary, failures) = report
        .split_once('\n')
        .expect("a summary, and a line for each failure");
    assert!(summary.contains("conformance cases failed"), "{summary}");
    assert!(
        failures.contains("replays_records::a_put_whose_reply_is_lost_answers_the_same_again"),
        "{failures}"
    );
    assert!(
        failures.contains("replays_logs::an_append_whose_reply_is_lost_is_there_once"),
        "{failures}"
    );
    for sound in [
        "records::an_absent_record_is_none",
        "replays_records::a_delete_",
        "leases_exclusive::",
        "line::",
    ] {
        assert!(
            !failures.lines().any(|line| line.starts_with(sound)),
            "{sound} has nothing to do with it: {failures}"
        );
    }
}

/// Leases of which each takes all that there is.
struct OneAtATime(MemoryStore);

#[async_trait]
impl Store for OneAtATime {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        self.0.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        self.0.put_record(request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        self.0.delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        self.0.list_records(request).await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        let all = request.clone().weighing(request.capacity, request.capacity);
        self.0.acquire_lease(&all).await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        self.0.renew_leases(renewals).await
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        self.0.release_lease(lease).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lets_in_fewer_than_fit_is_found_out() {
    let case = "concurrency_leases::a_capacity_is_never_exceeded_and_is_used";
    let outcome = store_conformance_case(case, || async { OneAtATime(MemoryStore::new()) });
    let panic = AssertUnwindSafe(outcome)
        .catch_unwind()
        .await
        .expect_err("the store is broken");
    let report = panic.downcast::<String>().expect("the report is text");
    assert!(report.contains("it does not end"), "{report}");
}
