//! Comparing the sagas of a program with those that it had before.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::{env, fs, io};

use crate::saga::{Definition, Registered};

/// Set to `overwrite`, what is there counts no more.
const VARIABLE: &str = "COORD_SNAPSHOT";
const PREFACE: &str = "\
# The sagas of this program: their steps, each with its output. Those that are under way go on only with steps that
# begin with these. `coord::testing::check_definitions` compares, and writes what is new; commit it with the change.
";

/// The steps of each saga by its name, each with the type of its output.
type Sagas = BTreeMap<String, Vec<(String, String)>>;

/// Why sagas that are under way cannot go on.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    saga: String,
    difference: String,
}

/// Compares the sagas of this program with those written in the file `snapshot`, and fails if one that was begun
/// with the old code would be refused by the new one: if steps were renamed, reordered or removed, if the type of an
/// output is another one, or if a whole saga is gone. It is told by what tells it when a saga is resumed.
///
/// What is under way goes on with new steps at the end, and does not care for new sagas: these are written into the
/// file. It is written, too, if it is missing, and whatever has changed if the environment variable
/// `COORD_SNAPSHOT` is `overwrite`. Commit it, and review what changes in it. A path that is relative is looked up
/// where the test runs, which with cargo is the folder of its package.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("coord-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("sagas.snapshot");
/// # let path = path.to_str().unwrap();
/// // In a test: #[test] fn sagas_under_way_go_on_with_this_code() {
/// coord::testing::check_definitions(path); // "sagas.snapshot"
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The sagas are those that are compiled into the test, as recovery finds them: all of the crates that it uses, and
/// its own. `use shop as _;` makes it use a crate of which it names nothing. A saga of a generic struct has to be
/// declared for its type to be among them.
///
/// # Panics
///
/// If sagas that are under way would be refused, telling which, and at which step; if the file cannot be read or
/// written.
#[track_caller]
pub fn check_definitions(snapshot: impl AsRef<Path>) {
    let path = snapshot.as_ref();
    let is_overwritten = env::var_os(VARIABLE).is_some_and(|value| value == "overwrite");
    let before = if is_overwritten {
        Sagas::new()
    } else {
        read(path)
    };
    let definitions = definitions();
    let refused = refused(&before, &definitions);
    assert!(refused.is_empty(), "{}", message(&refused, path));
    let now = definitions
        .values()
        .map(|definition| (definition.name().to_owned(), steps(definition)))
        .collect();
    if now != before || !path.exists() {
        write(path, &now);
    }
}

fn definitions() -> BTreeMap<&'static str, Arc<Definition>> {
    Registered::all()
        .map(|definition| (definition.name(), definition))
        .collect()
}

fn steps(definition: &Definition) -> Vec<(String, String)> {
    definition
        .steps()
        .map(|(id, output)| (id.to_owned(), output.to_owned()))
        .collect()
}

fn refused(before: &Sagas, now: &BTreeMap<&'static str, Arc<Definition>>) -> Vec<Refused> {
    let difference = |(saga, steps): (&String, &Vec<(String, String)>)| {
        let difference = match now.get(&**saga) {
            None => "it is not in this program any more".to_owned(),
            // One may be under way that has come to the last step.
            Some(definition) => definition.difference(steps, steps.len())?,
        };
        let saga = saga.clone();
        Some(Refused { saga, difference })
    };
    before.iter().filter_map(difference).collect()
}

fn message(refused: &[Refused], path: &Path) -> String {
    let mut message = "sagas that are under way cannot go on with this code:\n\n".to_owned();
    for one in refused {
        // Writing to memory cannot fail.
        let _ = writeln!(message, "    {one}");
    }
    let path = path.display();
    let _ = write!(
        message,
        "\nOne that has come so far is refused as incompatible, and waits for a process with the old code; others go \
         on. Keep the old steps as they are: a method that is renamed keeps the id of its step with \
         `#[step(id = \"…\")]`, and new steps go to the end. Or let the old code finish what is under way, and run \
         this test with {VARIABLE}=overwrite, which writes `{path}` anew."
    );
    message
}

/// What the file says; nothing, if there is none.
#[track_caller]
fn read(path: &Path) -> Sagas {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Sagas::new(),
        Err(error) => panic!("`{}` cannot be read: {error}", path.display()),
    };
    parse(&text).unwrap_or_else(|line| {
        panic!(
            "`{}` cannot be understood at `{line}`: run this test with {VARIABLE}=overwrite on the code that was \
             deployed",
            path.display()
        )
    })
}

/// The sagas, or the first line that cannot be read.
fn parse(text: &str) -> Result<Sagas, &str> {
    let mut sagas = Sagas::new();
    let mut current = None;
    for line in text.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if !line.starts_with(' ') {
            current = Some(sagas.entry(line.to_owned()).or_default());
            continue;
        }
        let step = line.trim_start().rsplit_once(" -> ");
        let (Some(steps), Some((id, output))) = (current.as_deref_mut(), step) else {
            return Err(line);
        };
        steps.push((id.to_owned(), output.to_owned()));
    }
    Ok(sagas)
}

#[track_caller]
fn write(path: &Path, sagas: &Sagas) {
    let mut text = PREFACE.to_owned();
    for (saga, steps) in sagas {
        let _ = write!(text, "\n{saga}\n");
        for (id, output) in steps {
            let _ = writeln!(text, "    {id} -> {output}");
        }
    }
    if let Err(error) = fs::write(path, text) {
        panic!("`{}` cannot be written: {error}", path.display());
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.saga, self.difference)
    }
}
