//! URLs, and what stands in errors about them.

use coord::{Coordinator, Error};
use coord_tests::{shared_postgres, unique};

const SECRET: &str = "hunter2-very-secret";

#[tokio::test]
async fn a_malformed_url_is_told_with_the_form_to_write() {
    let urls = [
        "postgres:".to_owned(),
        "postgres://".to_owned(),
        format!("postgres://user:{SECRET}@"),
        format!("postgres://user:{SECRET}@localhost:notaport/db"),
        format!("postgres://user:{SECRET}@localhost/db?nonsense={SECRET}"),
        format!("postgres://user:{SECRET}@localhost/db?sslmode={SECRET}"),
        format!("postgresql://user:{SECRET}@[::1/db"),
    ];
    for url in &urls {
        let error = Coordinator::connect(url).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidUrl { .. }),
            "{url}: {error:?}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("postgres://") || shown.contains("`sslmode` is one of"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn both_schemes_and_options_are_understood() {
    let url = shared_postgres().await;
    let other = url.replacen("postgres://", "postgresql://", 1);
    for url in [
        format!(
            "{url}?application_name={}&sslmode=disable",
            unique("an%20app")
        ),
        format!("{other}?sslmode=prefer&connect_timeout=5"),
    ] {
        let coord = Coordinator::connect(&url).await.unwrap();
        drop(coord.lock(unique("a")).acquire().await.unwrap());
    }
}

#[tokio::test]
async fn what_a_coordinator_shows_of_itself_has_no_password() {
    let url = shared_postgres()
        .await
        .replacen('@', &format!(":{SECRET}@"), 1);
    let coord = Coordinator::connect(&url).await.unwrap();
    let shown = format!(
        "{coord:?} {:?} {:?}",
        coord.store().native(),
        coord.lock("a")
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}
