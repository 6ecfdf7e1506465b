//! The command line, built with the tests: it is the same `main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    coord::__private::cli::main()
}
