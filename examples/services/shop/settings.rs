//! What the shop is told by its arguments and the environment.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_PORT: u16 = 8080;
const DEFAULT_STEP: Duration = Duration::from_millis(1200);
const LONGEST_STEP: Duration = Duration::from_secs(60);

pub(crate) struct Settings {
    /// Zero is any that is free.
    pub(crate) port: u16,
    /// Whether this is the shop itself, and not its supervisor.
    pub(crate) alone: bool,
    /// Whether it is to end with its supervisor.
    pub(crate) supervised: bool,
    pub(crate) url: String,
    pub(crate) namespace: String,
    /// How long a step takes.
    pub(crate) step: Duration,
}

impl Settings {
    /// Reads them, or tells what is wrong and what to write instead.
    pub(crate) fn read() -> Result<Self, String> {
        let (mut port, mut alone, mut supervised) = (DEFAULT_PORT, false, false);
        for argument in env::args().skip(1) {
            match &*argument {
                "--alone" => alone = true,
                "--supervised" => supervised = true,
                number => port = read_port(number)?,
            }
        }
        Ok(Self {
            port,
            alone: alone || supervised,
            supervised,
            url: url()?,
            namespace: namespace()?,
            step: step()?,
        })
    }
}

fn read_port(argument: &str) -> Result<u16, String> {
    argument.parse().map_err(|_| {
        format!("`{argument}` is no port: name one from 1 to 65535, as in `cargo run --example shop -- 8081`")
    })
}

fn url() -> Result<String, String> {
    if let Ok(url) = env::var("COORD_URL") {
        return Ok(url);
    }
    let folder = env::var_os("SHOP_FOLDER")
        .map_or_else(|| env::temp_dir().join("coord-shop"), PathBuf::from);
    std::fs::create_dir_all(&folder).map_err(|error| {
        format!(
            "the folder {} cannot be made ({error}): name another one in SHOP_FOLDER",
            folder.display()
        )
    })?;
    Ok(format!("sqlite:{}", folder.join("shop.db").display()))
}

fn namespace() -> Result<String, String> {
    let name = env::var("SHOP_NAMESPACE").unwrap_or_else(|_| "shop".to_owned());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=40).contains(&name.len()) && name.bytes().all(is_plain) {
        Ok(name)
    } else {
        Err("SHOP_NAMESPACE takes 1 to 40 letters, digits and hyphens".to_owned())
    }
}

fn step() -> Result<Duration, String> {
    let Ok(given) = env::var("SHOP_STEP_MS") else {
        return Ok(DEFAULT_STEP);
    };
    let step = given.parse().map(Duration::from_millis).ok();
    step.filter(|step| *step <= LONGEST_STEP)
        .ok_or_else(|| "SHOP_STEP_MS takes a number of milliseconds from 0 to 60000".to_owned())
}
