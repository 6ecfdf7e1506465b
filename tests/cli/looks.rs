//! `coord doctor` and `coord store bench`.

use coord_tests::RedisServer;
use coord_tests::redis::Persistence;

use crate::commands::Place;
use crate::golden::assert_golden;

pub(crate) async fn a_doctor_looks_at_the_store(place: &Place) {
    let said = place.run(&["doctor"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let scheme = place.url.split_once(':').unwrap().0;
    let measured = [
        "store",
        "server",
        "connected in",
        "round trip",
        "lock and release",
        "clock skew",
    ];
    let (told, guaranteed): (Vec<_>, Vec<_>) = said.out.lines().partition(|line| {
        measured
            .iter()
            .any(|name| line.starts_with(&format!("{name} ")))
    });
    assert_eq!(told.len(), measured.len(), "{said:?}");
    let guaranteed = guaranteed.join("\n") + "\n";
    assert_golden(&format!("doctor_{scheme}"), &guaranteed);

    let json = place.json(&["doctor"]).await;
    let server = json["server"].as_str().unwrap();
    let name = match scheme {
        "sqlite" => "SQLite 3.",
        "redis" => "Redis ",
        "postgres" => "PostgreSQL 1",
        "zk" => "ZooKeeper",
        other => panic!("what is {other}?"),
    };
    assert!(
        server.starts_with(name) || server.starts_with("Valkey "),
        "{server}"
    );
    assert!(json["round_trip"]["median_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(json["clock_skew"].is_null(), scheme == "sqlite", "{json}");
    let warnings = json["warnings"].as_array().unwrap();
    let told = warnings
        .iter()
        .map(|warning| format!("warning: {}\n", warning.as_str().unwrap()));
    let told: Vec<_> = told.collect();
    assert_eq!(said.err, told.concat());
    let warnings = warnings.len();
    let strict = place.run(&["doctor", "--strict"]).await;
    assert_eq!(strict.code, Some(i32::from(warnings > 0)));
}

pub(crate) async fn a_bench_measures(place: &Place) {
    let bench = ["store", "bench", "--tasks", "4", "--for", "50ms"];
    let json = place.json(&bench).await;
    assert_eq!(json["tasks"], 4);
    let measured = json["measurements"].as_array().unwrap();
    assert_eq!(measured.len(), 3);
    for one in measured {
        assert!(one["operations"].as_u64().unwrap() > 0, "{one}");
        assert_eq!(one["failed"], 0, "{one}");
    }
    let only = [&bench[..], &["--what", "lock"]].concat();
    let said = place.run(&only).await;
    assert_eq!(
        (said.code, &*said.err),
        (Some(0), ""),
        "no progress where nobody looks"
    );
    assert_eq!(said.out.lines().count(), 4, "{said:?}");
    assert_eq!(place.answer(&["locks"]).await, "Nothing is held.\n");
}

#[tokio::test]
async fn dangerous_settings_are_told() {
    let careless = RedisServer::builder().config("maxmemory-policy allkeys-lru");
    let careless = careless.start().await;
    let said = Place::at(careless.url()).run(&["doctor"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_golden("doctor_careless", &said.err);
    let careful = RedisServer::builder().persistence(Persistence::Log);
    let careful = careful.start().await;
    let said = Place::at(careful.url()).run(&["doctor", "--strict"]).await;
    assert_eq!((said.code, &*said.err), (Some(0), ""));
}
