//! Records and logs under contention: conditions decide, and nothing is lost.

use super::history::History;
use super::prelude::*;

/// One whose reply is lost may be kept waiting for all the others, and a write is recognised when it is sent again after
/// eight. So each writes once, and once more when all are done.
const TASKS: usize = 8;
/// So many that some are sent together, where a store does that.
const CROWD: usize = 24;

pub(super) async fn of_many_puts_if_absent_one_is_done(f: &Fixture<'_>) -> Result<()> {
    for round in 0..5 {
        let answers = at_once(TASKS, |index| {
            let (store, key) = (f.shared(), f.key(&format!("a/{round}")));
            async move {
                tokio::task::yield_now().await;
                store
                    .put_record(&PutRequest::new(key, index.to_string()).when(Condition::Absent))
                    .await
            }
        })
        .await?;
        let stored: Vec<_> = answers
            .iter()
            .filter_map(|put| {
                if let Put::Stored(version) = put {
                    Some(*version)
                } else {
                    None
                }
            })
            .collect();
        let [winner] = stored[..] else {
            panic!("{} of {TASKS} were told that they were first", stored.len())
        };
        for answer in answers {
            if let Put::Conflict(there) = answer {
                assert_eq!(
                    there.map(|entry| entry.version),
                    Some(winner),
                    "a conflict carries the winner's"
                );
            }
        }
    }
    Ok(())
}

pub(super) async fn of_many_deletes_one_is_done(f: &Fixture<'_>) -> Result<()> {
    let version = stored(f.store(), &PutRequest::new(f.key("a"), "one")).await?;
    let conditions = [
        Condition::Any,
        Condition::Version(version),
        Condition::Value("one".into()),
    ];
    let answers = at_once(TASKS, |index| {
        let (store, key, condition) = (f.shared(), f.key("a"), conditions[index % 3].clone());
        async move {
            store
                .delete_record(&DeleteRequest::new(key).when(condition))
                .await
        }
    })
    .await?;
    assert_eq!(
        answers.iter().filter(|deleted| **deleted).count(),
        1,
        "{answers:?}"
    );
    Ok(())
}

/// Adds one to the number that a record holds, as often as it takes to get it in.
async fn increment(store: &dyn Store, key: &str) -> Result<()> {
    loop {
        let entry = store.get_record(key).await?;
        let number: u64 = entry.as_ref().map_or(0, |entry| {
            let text = std::str::from_utf8(&entry.value).expect("numbers are text");
            text.parse().expect("only numbers are stored")
        });
        let condition = entry.map_or(Condition::Absent, |entry| Condition::Version(entry.version));
        let request = PutRequest::new(key, (number + 1).to_string()).when(condition);
        if let Put::Stored(_) = store.put_record(&request).await? {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn no_update_is_lost(f: &Fixture<'_>) -> Result<()> {
    const EACH: usize = 15;
    for _ in 0..EACH {
        at_once(TASKS, |_| {
            let (store, key) = (f.shared(), f.key("a"));
            async move { increment(&*store, &key).await }
        })
        .await?;
    }
    assert_eq!(
        value(f.store(), &f.key("a")).await?,
        Some(Bytes::from((TASKS * EACH).to_string()))
    );
    Ok(())
}

/// Reads one record, and writes down what it sees.
async fn read(store: &dyn Store, key: &str, history: &History) -> Result<Option<Version>> {
    let began = history.begin();
    let known = store.get_record(key).await?.map(|entry| entry.version);
    history.read(began, known);
    Ok(known)
}

/// Replaces the version of one record that it knows, and writes down what it sees.
async fn replace(
    store: &dyn Store,
    key: &str,
    history: &History,
    known: Option<Version>,
) -> Result<Option<Version>> {
    let request =
        PutRequest::new(key, "same").when(known.map_or(Condition::Absent, Condition::Version));
    let began = history.begin();
    Ok(match store.put_record(&request).await? {
        Put::Stored(version) => {
            history.wrote(began, known, version);
            Some(version)
        }
        Put::Conflict(there) => {
            let known = there.map(|entry| entry.version);
            history.read(began, known);
            known
        }
    })
}

pub(super) async fn one_order_of_writes_explains_all_answers(f: &Fixture<'_>) -> Result<()> {
    let history = Arc::new(History::default());
    let mut known = vec![None; TASKS];
    for round in 0..30 {
        known = at_once(TASKS, |index| {
            let (store, key, history) = (f.shared(), f.key("a"), Arc::clone(&history));
            let mut known = known[index];
            async move {
                if round % 3 == 0 {
                    known = read(&*store, &key, &history).await?;
                }
                replace(&*store, &key, &history, known).await
            }
        })
        .await?;
    }
    assert!(
        history.assert_linearizable() > 0,
        "somebody must get through"
    );
    Ok(())
}

pub(super) async fn of_many_appends_at_one_length_one_is_done(f: &Fixture<'_>) -> Result<()> {
    for len in 0..5 {
        let answers = at_once(TASKS, |index| {
            let (store, request) = (
                f.shared(),
                AppendRequest::new(f.key("a"), len, index.to_string()),
            );
            async move { store.append_log(&request).await }
        })
        .await?;
        assert_eq!(
            answers
                .iter()
                .filter(|answer| **answer == Append::Appended)
                .count(),
            1,
            "{answers:?}"
        );
    }
    assert_eq!(f.store().read_log(&f.key("a"), 0, 100).await?.len(), 5);
    Ok(())
}

/// Some of what is asked for at the same time is refused, and the answers must not be mixed up.
pub(super) async fn puts_at_the_same_time_are_answered_each_by_its_own_record(
    f: &Fixture<'_>,
) -> Result<()> {
    let is_there = |index: usize| index.is_multiple_of(3);
    for index in (0..CROWD).filter(|index| is_there(*index)) {
        let key = f.key(&format!("a/{index}"));
        stored(f.store(), &PutRequest::new(key, "there")).await?;
    }
    let answers = at_once(CROWD, |index| {
        let (store, key) = (f.shared(), f.key(&format!("a/{index}")));
        let request = PutRequest::new(key, index.to_string());
        let request = if index.is_multiple_of(2) {
            request.when(Condition::Absent)
        } else {
            request
        };
        async move { store.put_record(&request).await }
    })
    .await?;
    for (index, answer) in answers.iter().enumerate() {
        let expected = if is_there(index) && index.is_multiple_of(2) {
            "there".to_owned()
        } else {
            index.to_string()
        };
        let entry = f.store().get_record(&f.key(&format!("a/{index}"))).await?;
        let entry = entry.unwrap_or_else(|| panic!("record {index} is gone"));
        assert_eq!(entry.value, expected);
        match answer {
            Put::Stored(version) => {
                assert_eq!((index.to_string(), *version), (expected, entry.version));
            }
            Put::Conflict(there) => {
                let there = there.as_ref().map(|there| (&there.value, there.version));
                assert_eq!(there, Some((&Bytes::from("there"), entry.version)));
                assert_eq!(expected, "there");
            }
        }
    }
    Ok(())
}

pub(super) async fn appends_at_the_same_time_are_answered_each_by_its_own_log(
    f: &Fixture<'_>,
) -> Result<()> {
    let append = |index: usize, entry: &'static str| {
        let request = AppendRequest::new(f.key(&format!("a/{index}")), 0, entry);
        let store = f.shared();
        async move { store.append_log(&request).await }
    };
    let is_there = |index: usize| index.is_multiple_of(3);
    for index in (0..CROWD).filter(|index| is_there(*index)) {
        assert_eq!(append(index, "there").await?, Append::Appended);
    }
    let answers = at_once(CROWD, |index| append(index, "new")).await?;
    for (index, answer) in answers.into_iter().enumerate() {
        let (expected, entry) = if is_there(index) {
            (Append::Conflict { len: 1 }, "there")
        } else {
            (Append::Appended, "new")
        };
        assert_eq!(answer, expected, "of log {index}");
        let entries = f
            .store()
            .read_log(&f.key(&format!("a/{index}")), 0, 10)
            .await?;
        assert_eq!(entries, [entry]);
    }
    Ok(())
}

pub(super) async fn writers_of_one_log_lose_and_repeat_nothing(f: &Fixture<'_>) -> Result<()> {
    const EACH: usize = 10;
    at_once(TASKS, |index| {
        let (store, log) = (f.shared(), f.key("a"));
        async move {
            let mut len = 0;
            for round in 0..EACH {
                while let Append::Conflict { len: now } = store
                    .append_log(&AppendRequest::new(&*log, len, format!("{index}/{round}")))
                    .await?
                {
                    assert!(
                        now != len,
                        "a conflict at {len} says that the length is {now}"
                    );
                    len = now;
                    tokio::task::yield_now().await;
                }
                len += 1;
            }
            Ok(())
        }
    })
    .await?;
    let entries = f.store().read_log(&f.key("a"), 0, 1_000).await?;
    for index in 0..TASKS {
        let prefix = format!("{index}/");
        let own: Vec<_> = entries
            .iter()
            .filter(|entry| entry.starts_with(prefix.as_bytes()))
            .collect();
        let expected: Vec<_> = (0..EACH).map(|round| format!("{index}/{round}")).collect();
        assert_eq!(
            own,
            expected.iter().map(String::as_bytes).collect::<Vec<_>>()
        );
    }
    Ok(())
}
