//! `coord idempotency`.

use std::time::Duration;

use coord::Error;
use coord::idempotency::{RecordFilter, RecordState};
use coord_tests::until;

use crate::commands::Place;
use crate::golden::assert_golden;

const LONG: Duration = Duration::from_secs(600);

pub(crate) async fn records_are_listed_shown_and_forgotten(place: &Place) {
    assert_eq!(
        place.answer(&["idempotency", "list"]).await,
        "There are no records.\n"
    );
    let service = place.service().await;
    for order in [1, 2] {
        let key = format!("payment:{order}");
        let call = service.idempotency(key).ttl(LONG).fingerprint(order);
        let paid = call.run(async || Ok::<_, Error>(vec![format!("paid {order}")]));
        paid.await.unwrap();
    }
    let refused = service.idempotency("refund:1").ttl(LONG).remember_errors();
    let refused: Result<u8, _> = refused
        .run(async || Err::<u8, _>(Refused("no money".to_owned())))
        .await;
    refused.unwrap_err();

    let shown = place.answer(&["idempotency", "list"]).await;
    assert_golden("idempotency_list", &shown);
    let shown = place.answer(&["idempotency", "show", "payment:1"]).await;
    assert_golden("idempotency_show", &shown);
    let json = place.json(&["idempotency", "show", "payment:1"]).await;
    assert_eq!(json["result"], serde_json::json!(["paid 1"]));
    assert_eq!(
        (&json["state"], &json["fingerprint"]),
        (&"finished".into(), &true.into())
    );
    let json = place
        .json(&["idempotency", "list", "--state", "failed"])
        .await;
    assert_eq!(json["records"][0]["key"], "refund:1");
    assert_eq!(json["records"].as_array().unwrap().len(), 1);
    let json = place.json(&["idempotency", "list", "payment:"]).await;
    assert_eq!(json["records"].as_array().unwrap().len(), 2);

    let said = place.run(&["idempotency", "forget", "payment:1"]).await;
    assert_eq!(said.code, Some(2), "nobody is there to be asked");
    assert_golden("forget_without_terminal", &said.err);
    assert!(
        service
            .idempotency_records()
            .get("payment:1")
            .await
            .unwrap()
            .is_some()
    );
    let said = place
        .answer(&["idempotency", "forget", "payment:1", "--yes"])
        .await;
    assert_eq!(said, "`payment:1` is forgotten.\n");
    let again = service.idempotency("payment:1").ttl(LONG);
    let again = again.run(async || Ok::<_, Error>("again".to_owned())).await;
    assert_eq!(again.unwrap(), "again");
    service.shutdown().await;
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Refused(String);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

pub(crate) async fn a_running_call_is_shown_as_running(place: &Place) {
    let service = place.service().await;
    let other = service.clone();
    let running = tokio::spawn(async move {
        let call = other.idempotency("import:7").ttl(LONG);
        call.run(async || std::future::pending::<Result<(), Error>>().await)
            .await
    });
    until("the call to run", async || {
        service
            .idempotency_records()
            .get("import:7")
            .await
            .unwrap()
            .map(drop)
    })
    .await;
    let json = place
        .json(&["idempotency", "list", "--state", "running"])
        .await;
    assert_eq!(json["records"][0]["key"], "import:7");
    let json = place.json(&["idempotency", "show", "import:7"]).await;
    assert_eq!(
        (&json["state"], &json["result"]),
        (&"running".into(), &serde_json::Value::Null)
    );
    let filter = RecordFilter::new().state(RecordState::Finished);
    let page = service.idempotency_records().list(filter).await.unwrap();
    assert!(page.records.is_empty());
    place
        .answer(&["idempotency", "forget", "import:7", "--yes"])
        .await;
    let lost = running.await.unwrap().unwrap_err();
    assert!(matches!(lost, Error::LockLost { .. }), "{lost:?}");
}

pub(crate) async fn what_is_not_there_or_not_readable_is_said(place: &Place) {
    for command in ["show", "forget"] {
        let said = place.run(&["idempotency", command, "nothing:1"]).await;
        assert_eq!((said.code, &*said.out), (Some(1), ""));
        assert_eq!(said.err, "error: there is no record of `nothing:1`\n");
    }
    let service = place.service().await;
    let name = format!("{}/idempotency/odd", place.namespace);
    let put = coord::store::PutRequest::new(&*name, "not a record");
    service.store().put_record(&put).await.unwrap();
    let said = place.run(&["idempotency", "show", "odd"]).await;
    assert_eq!(said.code, Some(69), "{said:?}");
    let json = place.json(&["idempotency", "list"]).await;
    assert_eq!(json["records"], serde_json::json!([]));
    let forget = ["idempotency", "forget", "odd"];
    let said = place.run(&forget).await;
    assert_eq!(said.code, Some(2), "nobody is there to be asked");
    place.answer(&[&forget[..], &["--yes"]].concat()).await;
    let left = service.store().get_record(&name).await.unwrap();
    assert!(left.is_none(), "{left:?}");
}
