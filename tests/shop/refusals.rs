//! A shop that cannot start says why, and shows no password.

use crate::shop::refused;

#[test]
fn a_shop_that_cannot_start_says_why_and_shows_no_password() {
    let to_redis = "COORD_URL=redis://shop:s3cret@127.0.0.1:1";
    let to_postgres = "COORD_URL=postgres://shop:s3cret@127.0.0.1:1/shop";
    let cases: [(&[&str], &[&str], &str); 7] = [
        (&[], &["eighty"], "`eighty` is no port"),
        (&[], &["70000"], "is no port"),
        (
            &["COORD_URL=ftp://shop:s3cret@host"],
            &["0"],
            "the scheme `ftp:` is unknown",
        ),
        (&[to_redis], &["--alone", "0"], "shop: "),
        (&[to_postgres], &["--alone", "0"], "shop: "),
        (
            &["SHOP_NAMESPACE=a/b"],
            &["0"],
            "letters, digits and hyphens",
        ),
        (&["SHOP_STEP_MS=soon"], &["0"], "a number of milliseconds"),
    ];
    for (settings, arguments, part) in cases {
        let output = refused(settings, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{settings:?}: {said}");
        assert!(said.contains(part), "{settings:?}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
