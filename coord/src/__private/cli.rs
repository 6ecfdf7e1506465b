//! What the binary calls.

use std::process::ExitCode;

/// Does what the arguments of this process say, and returns its exit code.
pub fn main() -> ExitCode {
    crate::cli::main()
}
