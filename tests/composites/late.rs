//! A quorum whose stores are not equally fast, and miss what they are too late for.

use coord::store::{AppendRequest, ListRequest, Store};

use crate::network::process;
use crate::server::Server;
use crate::set;

fn three() -> Vec<Server> {
    (0..3).map(|_| Server::new()).collect()
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
