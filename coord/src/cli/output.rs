//! What is shown on the standard output: tables for people, JSON for programs.

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::failure::Outcome;

/// How answers are given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// One answer, as it is for programs or for people.
    pub(super) fn answer<T: Serialize>(
        self,
        answer: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Outcome {
        if self.json {
            return line(&serde_json::to_string_pretty(answer).map_err(std::io::Error::from)?);
        }
        line(&people(answer))
    }

    /// One of several answers that come one after the other: a line each.
    pub(super) fn item<T: Serialize>(self, item: &T, people: impl FnOnce(&T) -> String) -> Outcome {
        if self.json {
            return line(&serde_json::to_string(item).map_err(std::io::Error::from)?);
        }
        line(&people(item))
    }
}

/// Writes lines, and has them on their way when it returns.
fn line(text: &str) -> Outcome {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// A table without lines, with its headings in bold.
pub(super) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headings.iter().map(|heading| heading.to_uppercase()))
        .add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.trim_fmt();
    let (headings, rows) = text.split_once('\n').unwrap_or((&text, ""));
    let bold = anstyle::Style::new().bold();
    format!("{bold}{headings}{bold:#}\n{rows}")
}

/// Names and what there is to say of each, a line for each.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let widest = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let bold = anstyle::Style::new().bold();
    let lines = facts.iter().map(|(name, value)| {
        let space = " ".repeat(widest - name.len());
        format!("{bold}{name}{bold:#}{space}  {value}")
    });
    lines.collect::<Vec<_>>().join("\n")
}
