//! A saga's definition as a diagram.
//!
//! | what | as text | in Mermaid |
//! |---|---|---|
//! | the steps | a numbered list, each with its output | boxes from the top down |
//! | `parallel` neighbours | one number, `together` | a frame around them |
//! | `each` | `for each of items` | a box with double sides |
//! | `when` | `when is_gift` | a question before the box |
//! | `pivot` | `pivot` | a hexagon |
//! | what happens if it fails | `undone by …` | dotted arrows, to what is undone first, and on from there |

use std::fmt::{self, Write as _};

use super::definition::{Definition, Saga};
use super::step::StepData;

/// A saga's definition, to be shown: in [Mermaid](https://mermaid.js.org), which many places render, and as text when
/// it is displayed.
///
/// ```standalone_crate
/// # fn main() {
/// use coord::saga;
/// use serde::{Deserialize, Serialize};
///
/// #[saga("order:<order_id>")]
/// #[derive(Serialize, Deserialize)]
/// struct PlaceOrder { order_id: u64 }
///
/// #[saga]
/// impl PlaceOrder {
///     #[step(compensate = refund)]
///     async fn charge(&self) -> Result<u64, String> { Ok(100) }
///     async fn refund(&self, charge: &u64) -> Result<(), String> { Ok(()) }
///
///     #[step]
///     async fn ship(&self) -> Result<String, String> { Ok("a parcel".to_owned()) }
/// }
///
/// assert_eq!(PlaceOrder::diagram().to_string(), "\
/// PlaceOrder
///   1. charge -> u64
///        undone by refund
///   2. ship -> String
/// ");
/// assert!(PlaceOrder::diagram().mermaid().contains("step1 --> step2"));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Diagram {
    saga: &'static str,
    groups: Vec<Group>,
}

/// A step, or several that run together.
#[derive(Debug, Clone)]
struct Group {
    is_parallel: bool,
    steps: Vec<Shown>,
}

/// A step.
#[derive(Debug, Clone)]
struct Shown {
    /// Counted from 1.
    number: usize,
    id: &'static str,
    output: String,
    undo: Option<Undo>,
    each: Option<&'static str>,
    when: Option<&'static str>,
    is_pivot: bool,
}

#[derive(Debug, Clone, Copy)]
struct Undo {
    name: &'static str,
    of_unknown: bool,
}

impl Diagram {
    /// That of `S`. A saga that is declared has it as a method: `PlaceOrder::diagram()`.
    pub fn of<S: Saga>() -> Self {
        let definition = Definition::of::<S>();
        let mut groups: Vec<Group> = Vec::new();
        for (step, number) in definition.steps.iter().zip(1..) {
            let shown = Shown::of(step, number);
            match groups.last_mut() {
                Some(group) if group.is_parallel && step.parallel => group.steps.push(shown),
                _ => groups.push(Group {
                    is_parallel: step.parallel,
                    steps: vec![shown],
                }),
            }
        }
        Self {
            saga: definition.name(),
            groups,
        }
    }

    /// A flowchart for Mermaid. Where it leads if a step fails is dotted.
    pub fn mermaid(&self) -> String {
        let mut chart = Chart::new(self.saga);
        for group in &self.groups {
            chart.group(group);
        }
        chart.finish()
    }
}

impl Shown {
    fn of(step: &StepData, number: usize) -> Self {
        let names = step.names;
        Self {
            number,
            id: step.id,
            output: step.output.clone(),
            undo: step.undo.as_ref().map(|undo| Undo {
                name: names.undo.unwrap_or("its compensation"),
                of_unknown: undo.of_unknown,
            }),
            each: step
                .each
                .as_ref()
                .map(|_| names.each.unwrap_or("its items")),
            when: step
                .when
                .as_ref()
                .map(|_| names.when.unwrap_or("its condition")),
            is_pivot: step.pivot,
        }
    }

    /// What there is to say of it besides its name and its output.
    fn notes(&self) -> impl Iterator<Item = String> {
        let when = self.when.map(|method| format!("when {method}"));
        let each = self.each.map(|field| format!("for each of {field}"));
        let pivot = self
            .is_pivot
            .then(|| "pivot: nothing is undone once it is done".to_owned());
        let undo = self.undo.map(|undo| {
            let also = if undo.of_unknown {
                ", also if its outcome is unknown"
            } else {
                ""
            };
            format!("undone by {}{also}", undo.name)
        });
        [when, each, pivot, undo].into_iter().flatten()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, bullet: &str) -> fmt::Result {
        writeln!(f, "{bullet}{} -> {}", self.id, self.output)?;
        let indent = bullet.len() + 2;
        for note in self.notes() {
            writeln!(f, "{:indent$}{note}", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.saga)?;
        for (group, number) in self.groups.iter().zip(1..) {
            match &group.steps[..] {
                [step] => step.write(f, &format!("  {number}. "))?,
                steps => {
                    writeln!(f, "  {number}. together")?;
                    for step in steps {
                        step.write(f, "     - ")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A flowchart that is being written.
struct Chart {
    lines: String,
    /// What leads to what comes next, each by its arrow.
    loose: Vec<(String, &'static str)>,
    /// Where it goes on if the next step fails: the end, or what is undone first.
    back: String,
}

const THEN: &str = "-->";
const YES: &str = "-- yes -->";
const NO: &str = "-- no -->";
const FAILS: &str = "-. fails .->";
const BACK: &str = "-.->";
const COMPENSATED: &str = "compensated";
const STUCK: &str = "stuck";

impl Chart {
    fn new(saga: &str) -> Self {
        let mut chart = Self {
            lines: "flowchart TD\n".to_owned(),
            loose: vec![("start".to_owned(), THEN)],
            back: COMPENSATED.to_owned(),
        };
        chart.line(format_args!("start([\"{}\"])", escaped(saga)));
        chart
    }

    fn group(&mut self, group: &Group) {
        match &group.steps[..] {
            [step] => {
                let before = self.back.clone();
                self.loose = self.step(step);
                self.undo(step);
                let of_unknown = step.undo.is_some_and(|undo| undo.of_unknown);
                let back = if of_unknown {
                    self.back.clone()
                } else {
                    before
                };
                self.arrow(&format!("step{}", step.number), FAILS, &back);
            }
            steps => self.together(steps),
        }
        if group.steps.iter().any(|step| step.is_pivot) {
            STUCK.clone_into(&mut self.back);
        }
    }

    fn together(&mut self, steps: &[Shown]) {
        let frame = steps.first().map_or(0, |step| step.number);
        let frame = format!("together{frame}");
        self.come_to(&frame);
        self.line(format_args!("subgraph {frame} [\"together\"]"));
        for step in steps {
            self.step(step);
        }
        self.line(format_args!("end"));
        for step in steps {
            self.undo(step);
        }
        let back = self.back.clone();
        self.arrow(&frame, FAILS, &back);
        self.loose = vec![(frame, THEN)];
    }

    /// A step with what is asked before it. Gives what leads on from there.
    fn step(&mut self, step: &Shown) -> Vec<(String, &'static str)> {
        let name = format!("step{}", step.number);
        let mut leads_on = vec![(name.clone(), THEN)];
        if let Some(method) = step.when {
            let when = format!("when{}", step.number);
            self.come_to(&when);
            self.line(format_args!("{when}{{\"{}?\"}}", escaped(method)));
            leads_on.push((when.clone(), NO));
            self.loose = vec![(when, YES)];
        }
        self.come_to(&name);
        let each = step.each.map_or_else(String::new, |field| {
            format!("<br/>for each of {}", escaped(field))
        });
        let (begin, end) = match (step.is_pivot, step.each) {
            (true, _) => ("{{", "}}"),
            (false, Some(_)) => ("[[", "]]"),
            (false, None) => ("[", "]"),
        };
        let id = escaped(step.id);
        self.line(format_args!("{name}{begin}\"{id}{each}\"{end}"));
        leads_on
    }

    fn undo(&mut self, step: &Shown) {
        if let Some(undo) = step.undo {
            let name = format!("undo{}", step.number);
            self.line(format_args!("{name}(\"{}\")", escaped(undo.name)));
            let back = std::mem::replace(&mut self.back, name.clone());
            self.arrow(&name, BACK, &back);
        }
    }

    /// Ends what is loose here.
    fn come_to(&mut self, node: &str) {
        for (from, arrow) in std::mem::take(&mut self.loose) {
            self.arrow(&from, arrow, node);
        }
    }

    fn finish(mut self) -> String {
        self.come_to("completed");
        for end in ["completed", COMPENSATED, STUCK] {
            if self.lines.contains(&format!("> {end}\n")) {
                self.line(format_args!("{end}([\"{end}\"])"));
            }
        }
        self.lines
    }

    fn arrow(&mut self, from: &str, arrow: &str, to: &str) {
        self.line(format_args!("{from} {arrow} {to}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to memory cannot fail.
        let _ = writeln!(self.lines, "    {line}");
    }
}

/// Text that Mermaid shows as it is.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
        .replace('>', "#gt;")
}
