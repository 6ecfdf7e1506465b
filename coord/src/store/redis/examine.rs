//! What a Redis server says of itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{FromRedisValue, Pipeline, Value};

use super::link::Link;
use crate::store::{Examination, Result};

/// What is looked at. Others can be secret, so not all are asked for.
const SETTINGS: [&str; 4] = ["maxmemory-policy", "appendonly", "appendfsync", "save"];

/// One round trip. A user who may not ask for something does not get to know it.
pub(super) async fn examine(link: &Arc<Link>) -> Result<Examination> {
    let mut asked = Pipeline::with_capacity(2 + SETTINGS.len());
    asked.cmd("TIME").cmd("INFO").arg("server");
    for setting in SETTINGS {
        asked.cmd("CONFIG").arg("GET").arg(setting);
    }
    let connection = link.current().await?;
    let mut replies = connection.send_all("examine", &asked).await?.into_iter();
    let time = replies.next().and_then(time);
    let info: String = replies.next().and_then(read).unwrap_or_default();
    let settings: Option<Vec<HashMap<String, String>>> = replies.map(read).collect();
    let mut found = Examination::unknown().time(time);
    found.server = server(&info);
    Ok(match settings {
        Some(settings) => warnings(found, &settings.into_iter().flatten().collect()),
        None => found.warn(
            "this user may not read the server's settings, so they were not looked at: `CONFIG GET` is refused",
        ),
    })
}

fn read<T: FromRedisValue>(reply: Value) -> Option<T> {
    T::from_redis_value(reply.extract_error().ok()?).ok()
}

fn time(reply: Value) -> Option<SystemTime> {
    let (seconds, micros): (u64, u32) = read(reply)?;
    let since = Duration::from_secs(seconds) + Duration::from_micros(micros.into());
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn server(info: &str) -> Option<String> {
    let field = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let of = |name: &str, field: &str| format!("{name} {}", field.trim());
    field("valkey_version")
        .map(|version| of("Valkey", version))
        .or_else(|| field("redis_version").map(|version| of("Redis", version)))
}

fn warnings(mut found: Examination, settings: &HashMap<String, String>) -> Examination {
    let setting = |name: &str| settings.get(name).map_or("", String::as_str);
    let policy = setting("maxmemory-policy");
    if !matches!(policy, "" | "noeviction") {
        found = found.warn(format!(
            "`maxmemory-policy` is `{policy}`: when memory runs out, the server throws leases and records away; set it \
             to `noeviction`"
        ));
    }
    found = found.loses_latest(match setting("appendonly") {
        "yes" => Some(setting("appendfsync") != "always"),
        // Without snapshots there is nothing that it could come back with.
        "no" => Some(!setting("save").is_empty()),
        _ => None,
    });
    if setting("appendonly") == "no" {
        found = found.warn(if setting("save").is_empty() {
            "`appendonly` is `no` and there are no snapshots: when the server restarts, everything is gone; set \
             `appendonly yes`"
        } else {
            "`appendonly` is `no`: when the server crashes, what came after the last snapshot is gone; set \
             `appendonly yes`"
        });
    }
    found
}
