//! From the arguments of the process to its exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use super::arguments::{Arguments, Command, Global, Store};
use super::failure::{Failure, NO, Outcome, USAGE};
use super::output::Output;
use super::{bench, doctor, idempotency, lock, locks, saga, secrets};

/// How long what still runs in the background may take once everything is done.
const GOODBYE: Duration = Duration::from_secs(1);

/// Does what the arguments of this process say.
pub(crate) fn main() -> ExitCode {
    for argument in std::env::args_os().chain(std::env::var_os("COORD_URL")) {
        secrets::learn(&argument);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(problem) => return not_understood(&problem),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(problem) => return Failure::new(NO, format!("cannot start: {problem}")).tell(),
    };
    let outcome = runtime.block_on(run(arguments));
    runtime.shutdown_timeout(GOODBYE);
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.tell(),
    }
}

/// What the parser says: help and version, or what is wrong, without what must not be shown.
fn not_understood(problem: &clap::Error) -> ExitCode {
    use std::io::Write as _;
    let text = problem.render().ansi().to_string();
    if problem.use_stderr() {
        let _ = write!(anstream::stderr().lock(), "{}", secrets::concealed(&text));
        return ExitCode::from(USAGE);
    }
    match write!(anstream::stdout().lock(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::from(error).tell(),
    }
}

async fn run(arguments: Arguments) -> Outcome<u8> {
    let Arguments { global, command } = arguments;
    let output = Output { json: global.json };
    let global = &global;
    match command {
        Command::Lock(lock) => return lock::run(global, lock).await,
        Command::Doctor(doctor) => return doctor::run(global, output, &doctor).await,
        Command::Saga(command) => return saga::run(global, output, command).await,
        Command::Locks(filter) => locks::run(global, output, filter).await?,
        Command::Idempotency(command) => idempotency::run(global, output, command).await?,
        Command::Store(command) => return store(global, output, command).await,
        Command::Completions { shell } => completions(shell)?,
    }
    Ok(0)
}

async fn store(global: &Global, output: Output, command: Store) -> Outcome<u8> {
    let Store::Bench { tasks, lasts, what } = command;
    bench::run(global, output, tasks, lasts, &what).await
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    use std::io::Write as _;
    // The generator does not take an error for an answer.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "coord", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}
