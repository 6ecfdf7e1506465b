//! The command line. What it does stands in the module `cli` of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    coord::__private::cli::main()
}
