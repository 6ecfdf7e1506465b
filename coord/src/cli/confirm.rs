//! Asking before something is done that cannot be undone.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::failure::{Failure, NO, Outcome, USAGE};

/// Asks, unless the answer was given with the command. Without a terminal there is nobody to ask.
pub(super) fn confirm(question: &str, is_given: bool) -> Outcome {
    if is_given {
        return Ok(());
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::new(
            USAGE,
            "this cannot be undone, and there is no terminal to ask at: say `--yes` if it is meant",
        ));
    }
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    drop(err);
    let mut answer = String::new();
    // What cannot be read is no consent.
    let read = input.lock().read_line(&mut answer);
    let is_yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if read.is_ok() && is_yes {
        Ok(())
    } else {
        Err(Failure::new(NO, "nothing was done"))
    }
}
