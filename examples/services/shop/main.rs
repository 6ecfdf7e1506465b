//! A shop to look at: orders as sagas, payments that are made once, stock under locks, a nightly report that one process
//! writes, metrics, and a page that shows all of it live. A button kills the process; a supervisor starts it again at
//! once, and the orders go on where they were.
//!
//! `cargo run --example shop` needs no server: it keeps everything in a file in the folder for temporary files, or in the
//! folder that `SHOP_FOLDER` names. Then open <http://127.0.0.1:8080>.
//!
//! Several processes on one store, each with a page of its own that shows the same:
//!
//! ```sh
//! COORD_URL=redis://127.0.0.1:6379 cargo run --example shop -- 8081
//! COORD_URL=redis://127.0.0.1:6379 cargo run --example shop -- 8082
//! ```
//!
//! | | |
//! |---|---|
//! | `shop [PORT]` | starts the shop, and again whenever it dies |
//! | `shop --alone [PORT]` | the shop without a supervisor: what dies stays dead, and other processes take over |
//! | `COORD_URL` | the store; a SQLite file if it is left out |
//! | `SHOP_FOLDER` | where that file is |
//! | `SHOP_NAMESPACE` | what names in the store begin with: `shop` |
//! | `SHOP_STEP_MS` | how long each step takes, in milliseconds: 1200 |

mod answer;
mod books;
mod calls;
mod input;
mod live;
mod order;
mod page;
mod payment;
mod processes;
mod provider;
mod report;
mod server;
mod settings;
mod stock;
mod supervisor;
mod view;

use std::process::ExitCode;

use settings::Settings;

/// What cannot be mended by starting again: the arguments, the port, the store.
const CANNOT_START: u8 = 1;

fn main() -> ExitCode {
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(problem) => return fail(&problem),
    };
    let ended = if settings.alone {
        server::run(settings)
    } else {
        supervisor::run(&settings)
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(&problem),
    }
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("shop: {problem}");
    ExitCode::from(CANNOT_START)
}
