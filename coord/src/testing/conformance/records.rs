//! Records: what is put is what is got, and conditions mean what they say.

use super::prelude::*;

pub(super) async fn an_absent_record_is_none(f: &Fixture<'_>) -> Result<()> {
    assert_eq!(f.store().get_record(&f.key("a")).await?, None);
    Ok(())
}

pub(super) async fn a_stored_value_is_read_back_with_its_version(f: &Fixture<'_>) -> Result<()> {
    let version = stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    let entry = f
        .store()
        .get_record(&f.key("a"))
        .await?
        .expect("it was stored");
    assert_eq!(
        (entry.value, entry.version, entry.expires_in),
        (Bytes::from("one"), version, None)
    );
    Ok(())
}

pub(super) async fn an_empty_value_is_not_absence(f: &Fixture<'_>) -> Result<()> {
    let version = stored(
        f.store(),
        &PutRequest::new(f.key("a"), "").when(Condition::Absent),
    )
    .await?;
    assert_eq!(value(f.store(), &f.key("a")).await?, Some(Bytes::new()));

    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "x").when(Condition::Absent),
    )
    .await?;
    assert_eq!(there.map(|entry| entry.version), Some(version));
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "y").when(Condition::Value(Bytes::new())),
    )
    .await?;
    Ok(())
}

pub(super) async fn any_byte_survives_in_a_value(f: &Fixture<'_>) -> Result<()> {
    let bytes: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    stored(f.store(), &PutRequest::new(f.key("a"), bytes.clone())).await?;
    assert_eq!(
        value(f.store(), &f.key("a")).await?,
        Some(Bytes::from(bytes.clone()))
    );

    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "").when(Condition::Absent),
    )
    .await?;
    assert_eq!(
        there.map(|entry| entry.value),
        Some(Bytes::from(bytes.clone())),
        "a conflict carries it as well"
    );
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "").when(Condition::Value(bytes.into())),
    )
    .await?;
    Ok(())
}

pub(super) async fn any_text_survives_in_a_key(f: &Fixture<'_>) -> Result<()> {
    let names = [
        "{a}",
        "{}",
        "}{",
        "a b",
        "a\nb\r\n",
        "a\0b",
        "a\\b",
        "*?[a]",
        "%25",
        "'\"`",
        "a/../b",
        "ключ",
        "\u{10ffff}",
        "/",
    ];
    for name in names {
        stored(
            f.store(),
            &PutRequest::new(f.key(name), name).when(Condition::Absent),
        )
        .await?;
    }
    for name in names {
        assert_eq!(
            value(f.store(), &f.key(name)).await?,
            Some(Bytes::from(name)),
            "{name:?}"
        );
    }
    Ok(())
}

pub(super) async fn keys_do_not_touch_each_other(f: &Fixture<'_>) -> Result<()> {
    let names = ["a", "A", "aa", "a/", "a/a", "a\0", "a "];
    for name in names {
        stored(
            f.store(),
            &PutRequest::new(f.key(name), name).when(Condition::Absent),
        )
        .await?;
    }
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("a")))
            .await?
    );
    for name in &names[1..] {
        assert_eq!(
            value(f.store(), &f.key(name)).await?,
            Some(Bytes::from(*name)),
            "{name:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_record_a_lease_and_a_log_of_one_name_are_apart(
    f: &Fixture<'_>,
) -> Result<()> {
    let name = f.key("a");
    let lease = f.exclusive("a");
    stored(
        f.store(),
        &PutRequest::new(&*name, "one")
            .when(Condition::Absent)
            .listed(),
    )
    .await?;
    granted(f.store(), &lease).await?;
    assert_eq!(
        f.store()
            .append_log(&AppendRequest::new(&*name, 0, "entry"))
            .await?,
        Append::Appended
    );

    assert_eq!(value(f.store(), &name).await?, Some(Bytes::from("one")));
    assert!(f.store().delete_record(&DeleteRequest::new(&*name)).await?);
    assert_eq!(holders(f.store(), &lease).await?, [lease.lease.owner]);
    assert_eq!(f.store().read_log(&name, 0, 10).await?, ["entry"]);

    assert!(release(f.store(), &lease).await?);
    assert_eq!(f.store().read_log(&name, 0, 10).await?, ["entry"]);
    Ok(())
}

pub(super) async fn a_put_if_absent_conflicts_with_what_is_there_and_carries_it(
    f: &Fixture<'_>,
) -> Result<()> {
    let version = stored(
        f.store(),
        &PutRequest::new(f.key("a"), "one")
            .when(Condition::Absent)
            .ttl(LONG),
    )
    .await?;
    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "two").when(Condition::Absent),
    )
    .await?
    .expect("it is there");
    assert_eq!((there.value, there.version), (Bytes::from("one"), version));
    assert!(
        there
            .expires_in
            .is_some_and(|left| left <= LONG && !left.is_zero()),
        "{:?}",
        there.expires_in
    );
    Ok(())
}

pub(super) async fn a_conflict_leaves_value_version_and_expiry_alone(
    f: &Fixture<'_>,
) -> Result<()> {
    let version = stored(f.store(), &PutRequest::new(f.key("a"), "one").ttl(LONG)).await?;
    conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "two").when(Condition::Absent),
    )
    .await?;
    conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "two").when(Condition::Value("two".into())),
    )
    .await?;
    let stranger = stored(f.store(), &PutRequest::new(f.key("b"), "one")).await?;
    conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "two").when(Condition::Version(stranger)),
    )
    .await?;

    let entry = f
        .store()
        .get_record(&f.key("a"))
        .await?
        .expect("it is still there");
    assert_eq!((entry.value, entry.version), (Bytes::from("one"), version));
    assert!(
        entry.expires_in.is_some(),
        "the refused writes had no ttl, and must not have taken this one away"
    );
    Ok(())
}

pub(super) async fn a_condition_on_what_is_missing_conflicts_with_nothing(
    f: &Fixture<'_>,
) -> Result<()> {
    let elsewhere = stored(f.store(), &PutRequest::new(f.key("b"), "one")).await?;
    for condition in [
        Condition::Version(elsewhere),
        Condition::Value("one".into()),
        Condition::Value(Bytes::new()),
    ] {
        let there = conflict(
            f.store(),
            &PutRequest::new(f.key("a"), "two").when(condition.clone()),
        )
        .await?;
        assert_eq!(there, None, "{condition:?}");
        assert!(
            !f.store()
                .delete_record(&DeleteRequest::new(f.key("a")).when(condition))
                .await?
        );
    }
    assert_eq!(value(f.store(), &f.key("a")).await?, None);
    Ok(())
}

pub(super) async fn a_put_if_version_replaces_that_version_only(f: &Fixture<'_>) -> Result<()> {
    let first = stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    let second = stored(
        f.store(),
        &PutRequest::new(f.key("a"), "two").when(Condition::Version(first)),
    )
    .await?;
    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "three").when(Condition::Version(first)),
    )
    .await?;
    assert_eq!(
        there.map(|entry| (entry.value, entry.version)),
        Some((Bytes::from("two"), second))
    );
    Ok(())
}

pub(super) async fn a_put_if_value_compares_the_whole_value(f: &Fixture<'_>) -> Result<()> {
    stored(f.store(), &PutRequest::new(f.key("a"), "10")).await?;
    for near in ["", "1", "100", "010", "10.0", "1e1", "10\0", " 10"] {
        conflict(
            f.store(),
            &PutRequest::new(f.key("a"), "x").when(Condition::Value(near.into())),
        )
        .await?;
        let delete = DeleteRequest::new(f.key("a")).when(Condition::Value(near.into()));
        assert!(
            !f.store().delete_record(&delete).await?,
            "{near:?} is not 10"
        );
    }
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "x").when(Condition::Value("10".into())),
    )
    .await?;
    assert_eq!(value(f.store(), &f.key("a")).await?, Some(Bytes::from("x")));
    Ok(())
}

pub(super) async fn an_unconditional_put_replaces_value_version_and_ttl(
    f: &Fixture<'_>,
) -> Result<()> {
    let first = stored(f.store(), &PutRequest::new(f.key("a"), "one").ttl(LONG)).await?;
    let second = stored(f.store(), &PutRequest::new(f.key("a"), "two")).await?;
    let entry = f
        .store()
        .get_record(&f.key("a"))
        .await?
        .expect("it was stored");
    assert_eq!(
        (entry.value, entry.version, entry.expires_in),
        (Bytes::from("two"), second, None)
    );
    assert_ne!(first, second);

    stored(f.store(), &PutRequest::new(f.key("a"), "three").ttl(LONG)).await?;
    let entry = f
        .store()
        .get_record(&f.key("a"))
        .await?
        .expect("it was stored");
    assert!(
        entry.expires_in.is_some_and(|left| left <= LONG),
        "{:?}",
        entry.expires_in
    );
    Ok(())
}

pub(super) async fn a_delete_says_whether_there_was_anything(f: &Fixture<'_>) -> Result<()> {
    assert!(
        !f.store()
            .delete_record(&DeleteRequest::new(f.key("a")))
            .await?
    );
    stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("a")))
            .await?
    );
    assert_eq!(value(f.store(), &f.key("a")).await?, None);
    assert!(
        !f.store()
            .delete_record(&DeleteRequest::new(f.key("a")))
            .await?
    );
    Ok(())
}

pub(super) async fn a_conditional_delete_spares_what_does_not_match(f: &Fixture<'_>) -> Result<()> {
    let old = stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    let new = stored(f.store(), &PutRequest::new(f.key("a"), "two")).await?;
    for condition in [
        Condition::Version(old),
        Condition::Value("one".into()),
        Condition::Absent,
    ] {
        let delete = DeleteRequest::new(f.key("a")).when(condition.clone());
        assert!(!f.store().delete_record(&delete).await?, "{condition:?}");
    }
    assert_eq!(
        value(f.store(), &f.key("a")).await?,
        Some(Bytes::from("two"))
    );

    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("a")).when(Condition::Version(new)))
            .await?
    );
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "three").when(Condition::Absent),
    )
    .await?;
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("a")).when(Condition::Value("three".into())))
            .await?
    );
    assert_eq!(value(f.store(), &f.key("a")).await?, None);
    Ok(())
}

pub(super) async fn a_deleted_record_conflicts_with_nothing(f: &Fixture<'_>) -> Result<()> {
    let version = stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("a")))
            .await?
    );
    for condition in [Condition::Version(version), Condition::Value("one".into())] {
        assert_eq!(
            conflict(
                f.store(),
                &PutRequest::new(f.key("a"), "two").when(condition)
            )
            .await?,
            None
        );
    }
    stored(
        f.store(),
        &PutRequest::new(f.key("a"), "two").when(Condition::Absent),
    )
    .await?;
    Ok(())
}

pub(super) async fn a_version_does_not_come_again_with_the_same_value(
    f: &Fixture<'_>,
) -> Result<()> {
    let mut versions = Vec::new();
    for round in 0..6 {
        versions.push(stored(f.store(), &PutRequest::new(f.key("a"), "same")).await?);
        if round % 2 == 1 {
            assert!(
                f.store()
                    .delete_record(&DeleteRequest::new(f.key("a")))
                    .await?
            );
        }
    }
    for (index, version) in versions.iter().enumerate() {
        assert!(
            !versions[..index].contains(version),
            "{version:?} came twice"
        );
    }
    Ok(())
}

pub(super) async fn a_version_from_before_a_deletion_is_stale(f: &Fixture<'_>) -> Result<()> {
    let old = stored(f.store(), &PutRequest::new(f.key("a"), "same")).await?;
    assert!(
        f.store()
            .delete_record(&DeleteRequest::new(f.key("a")))
            .await?
    );
    let new = stored(
        f.store(),
        &PutRequest::new(f.key("a"), "same").when(Condition::Absent),
    )
    .await?;

    let there = conflict(
        f.store(),
        &PutRequest::new(f.key("a"), "late").when(Condition::Version(old)),
    )
    .await?;
    assert_eq!(there.map(|entry| entry.version), Some(new));
    assert!(
        !f.store()
            .delete_record(&DeleteRequest::new(f.key("a")).when(Condition::Version(old)))
            .await?
    );
    Ok(())
}

pub(super) async fn a_version_says_nothing_about_another_key(f: &Fixture<'_>) -> Result<()> {
    let a = stored(f.store(), &PutRequest::new(f.key("a"), "same")).await?;
    let b = stored(f.store(), &PutRequest::new(f.key("b"), "same")).await?;
    assert_ne!(a, b);
    conflict(
        f.store(),
        &PutRequest::new(f.key("b"), "late").when(Condition::Version(a)),
    )
    .await?;
    Ok(())
}
