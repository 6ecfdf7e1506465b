//! Key templates: `order:<id>` as literal text and segments, each with its place in the literal.
//!
//! `<name>` stands for a value, `<name.field>` for a field of one; `<<` and `>>` are the literal characters.

use std::ops::Range;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{LitStr, Member};

use crate::diagnose::{Mistakes, underlined};

/// The most bytes that the runtime allows in a key. Literal text alone must leave room for the values.
const MAX_KEY_BYTES: usize = 512;

/// A key template. Reading one never fails; what is wrong with it goes to the [`Mistakes`], and what is
/// right is still there to be checked further.
#[derive(Debug)]
pub(crate) struct Template {
    literal: LitStr,
    text: String,
    pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text that is the same in every key.
    Text(String),
    /// A value, different in each key.
    Segment(Segment),
}

/// `<name.field.field>`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The first name, without `r#`.
    pub(crate) name: String,
    /// The fields behind it, in order, without `r#`.
    pub(crate) fields: Vec<String>,
    /// Where it is in the template's text, `<` and `>` included.
    pub(crate) range: Range<usize>,
}

impl Segment {
    /// Whether the value is the argument called `name` as a whole, and not a field of it.
    pub(crate) fn is_all_of(&self, name: &str) -> bool {
        self.name == name && self.fields.is_empty()
    }
}

impl Template {
    pub(crate) fn parse(literal: &LitStr, mistakes: &mut Mistakes) -> Self {
        let mut template = Self {
            literal: literal.clone(),
            text: literal.value(),
            pieces: Vec::new(),
        };
        if template.text.is_empty() {
            mistakes.at(
                literal.span(),
                "the key template is empty; name what is locked, for example `\"order:<id>\"`",
            );
        }
        let mut at = 0;
        while at < template.text.len() {
            at = template.read_piece(at, mistakes);
        }
        template.check_length(mistakes);
        template
    }

    /// The literal as the user wrote it.
    pub(crate) fn literal(&self) -> &LitStr {
        &self.literal
    }

    /// The template's text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Segment(segment) => Some(segment),
            Piece::Text(_) => None,
        })
    }

    /// The place of `range` in the user's source. On a stable compiler that is the whole literal.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        self.precise_span(range)
            .unwrap_or_else(|| self.literal.span())
    }

    /// An error about `range`, with the template drawn and the range underlined.
    pub(crate) fn mistake(&self, range: &Range<usize>, headline: &str, help: &str) -> syn::Error {
        syn::Error::new(
            self.span(range),
            underlined(headline, &self.text, range, help),
        )
    }

    fn precise_span(&self, range: &Range<usize>) -> Option<Span> {
        let token = self.literal.token();
        let source = token.to_string();
        let start = source.find('"')? + 1;
        // With an escape in it, the source is not the text, and the places differ.
        source[start..].starts_with(&self.text).then_some(())?;
        token.subspan(start + range.start..start + range.end)
    }

    /// Reads what starts at `at`, and returns where it ends.
    fn read_piece(&mut self, at: usize, mistakes: &mut Mistakes) -> usize {
        let rest = &self.text[at..];
        match rest.find(['<', '>']) {
            None => self.push_text(at..self.text.len()),
            Some(0) if rest.starts_with("<<") || rest.starts_with(">>") => {
                self.push_text(at..at + 1);
                at + 2
            }
            Some(0) if rest.starts_with('>') => {
                let range = at..at + 1;
                mistakes.push(self.mistake(
                    &range,
                    "stray `>` in key template",
                    "write `>>` for the character `>`",
                ));
                range.end
            }
            Some(0) => self.read_segment(at, mistakes),
            Some(length) => self.push_text(at..at + length),
        }
    }

    /// Appends literal text, and returns where it ends.
    fn push_text(&mut self, range: Range<usize>) -> usize {
        let text = &self.text[range.clone()];
        if let Some(Piece::Text(before)) = self.pieces.last_mut() {
            before.push_str(text);
        } else {
            self.pieces.push(Piece::Text(text.to_owned()));
        }
        range.end
    }

    /// Reads the segment that `<` at `at` begins, and returns where it ends.
    fn read_segment(&mut self, at: usize, mistakes: &mut Mistakes) -> usize {
        let inner = at + 1;
        let length = self.text[inner..]
            .find(['<', '>'])
            .unwrap_or(self.text.len() - inner);
        let end = inner + length;
        if !self.text[end..].starts_with('>') {
            let help = match &self.text[inner..end] {
                name if is_name(name) => {
                    format!("close it: `<{name}>`; the character `<` is written `<<`")
                }
                _ => "close it with `>`; the character `<` is written `<<`".to_owned(),
            };
            mistakes.push(self.mistake(&(at..end), "unclosed segment in key template", &help));
            return end;
        }
        let range = at..end + 1;
        match parse_path(&self.text[inner..end]) {
            Ok((name, fields)) => self.pieces.push(Piece::Segment(Segment {
                name,
                fields,
                range: range.clone(),
            })),
            Err((headline, help)) => mistakes.push(self.mistake(&range, &headline, &help)),
        }
        range.end
    }

    fn check_length(&self, mistakes: &mut Mistakes) {
        let fixed: usize = self.pieces.iter().map(Piece::least_bytes).sum();
        if fixed > MAX_KEY_BYTES {
            mistakes.at(
                self.literal.span(),
                format!(
                    "no key of this template fits: it has {fixed} bytes and more, and the limit is \
                     {MAX_KEY_BYTES}"
                ),
            );
        }
    }
}

impl Piece {
    /// How many bytes of a key this takes at least. A `%` in literal text is written twice.
    fn least_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + text.matches('%').count(),
            Self::Segment(_) => 1,
        }
    }
}

impl Segment {
    /// The segment without its brackets: `name.field`.
    pub(crate) fn path(&self) -> String {
        let names: Vec<_> = std::iter::once(&self.name)
            .chain(&self.fields)
            .map(String::as_str)
            .collect();
        names.join(".")
    }

    /// The fields as they are written in code.
    pub(crate) fn members(&self, span: Span) -> impl Iterator<Item = Member> {
        self.fields
            .iter()
            .map(move |field| match field.parse::<u32>() {
                Ok(index) => Member::Unnamed(syn::Index { index, span }),
                Err(_) => Member::Named(ident(field, span)),
            })
    }
}

/// The identifier called `name`, raw if `name` is a keyword.
pub(crate) fn ident(name: &str, span: Span) -> Ident {
    if syn::parse_str::<Ident>(name).is_ok() || matches!(name, "self") {
        Ident::new(name, span)
    } else {
        Ident::new_raw(name, span)
    }
}

/// Splits `name.field.0`, or gives a headline and a help.
pub(crate) fn parse_path(path: &str) -> Result<(String, Vec<String>), (String, String)> {
    if path.is_empty() {
        return Err((
            "empty segment in key template".to_owned(),
            "name an argument, as in `<id>`; the characters `<>` are written `<<>>`".to_owned(),
        ));
    }
    let mut names = path
        .split('.')
        .map(|name| name.strip_prefix("r#").unwrap_or(name));
    let first = names
        .next()
        .filter(|name| is_name(name))
        .ok_or_else(|| not_a_path(path))?;
    let fields: Vec<_> = names.map(str::to_owned).collect();
    if fields.iter().all(|field| is_field(field)) {
        Ok((first.to_owned(), fields))
    } else {
        Err(not_a_path(path))
    }
}

fn not_a_path(path: &str) -> (String, String) {
    let spaceless: String = path.chars().filter(|c| !c.is_whitespace()).collect();
    let help = if spaceless != path && parse_path(&spaceless).is_ok() {
        format!("write `<{spaceless}>`, without spaces")
    } else if path.contains('(') {
        "a segment calls nothing; make the value an argument, or a field of one".to_owned()
    } else {
        "a segment is an argument or a field of one, as in `<id>` or `<order.id>`".to_owned()
    };
    (format!("`{path}` cannot stand in a key template"), help)
}

fn is_field(name: &str) -> bool {
    let index = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    index && name.parse::<u32>().is_ok() || name != "self" && is_name(name)
}

/// Whether `name` can be the name of an argument: an identifier, `self`, or a keyword without its `r#`.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = name.chars().all(|c| c == '_' || c.is_alphanumeric());
    plain
        && !matches!(name, "_" | "crate" | "super" | "Self")
        && Ident::parse_any
            .parse_str(name)
            .is_ok_and(|ident| ident == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a template, segments in brackets, or the message of its first mistake.
    fn read(text: &str) -> Result<Vec<String>, String> {
        let mut mistakes = Mistakes::new();
        let template = Template::parse(&LitStr::new(text, Span::call_site()), &mut mistakes);
        if let Some(errors) = mistakes.finish() {
            return Err(errors.to_string());
        }
        let show = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Segment(segment) => format!("[{}]", segment.path()),
        };
        Ok(template.pieces().iter().map(show).collect())
    }

    #[track_caller]
    fn reads(text: &str, pieces: &[&str]) {
        assert_eq!(
            read(text).as_deref(),
            Ok(&pieces
                .iter()
                .map(|&piece| piece.to_owned())
                .collect::<Vec<_>>()[..])
        );
    }

    #[track_caller]
    fn refuses(text: &str, part: &str) {
        let problem = read(text).unwrap_err();
        assert!(problem.contains(part), "{text:?} gives {problem}");
    }

    #[test]
    fn splits_text_and_segments() {
        reads("gateway", &["gateway"]);
        reads("order:<id>", &["order:", "[id]"]);
        reads("<a><b>", &["[a]", "[b]"]);
        reads("größe:<größe>!", &["größe:", "[größe]", "!"]);
        reads(
            "tenant:<self.tenant>:<order.lines.0.sku>",
            &["tenant:", "[self.tenant]", ":", "[order.lines.0.sku]"],
        );
        reads("<self>", &["[self]"]);
    }

    #[test]
    fn doubled_brackets_are_text() {
        reads("a<<b>>c", &["a<b>c"]);
        reads("<<<id>>>", &["<", "[id]", ">"]);
        reads("<id>>>", &["[id]", ">"]);
    }

    #[test]
    fn keywords_are_names_with_and_without_their_prefix() {
        reads("<type>:<r#match.r#fn>", &["[type]", ":", "[match.fn]"]);
    }

    #[test]
    fn segments_know_their_place() {
        let mut mistakes = Mistakes::new();
        let template = Template::parse(
            &LitStr::new("<<ö:<a>:<b.c>", Span::call_site()),
            &mut mistakes,
        );
        assert!(mistakes.finish().is_none());
        let places: Vec<_> = template
            .segments()
            .map(|segment| &template.text()[segment.range.clone()])
            .collect();
        assert_eq!(places, ["<a>", "<b.c>"]);
    }

    #[test]
    fn raw_literals_are_read_by_value() {
        let literal: LitStr = syn::parse_str(r###"r##"a"#:<id>"##"###).unwrap();
        let mut mistakes = Mistakes::new();
        assert_eq!(Template::parse(&literal, &mut mistakes).text(), "a\"#:<id>");
        assert!(mistakes.finish().is_none());
    }

    #[test]
    fn refuses_what_is_no_template() {
        refuses("", "the key template is empty");
        refuses("a:<>", "empty segment");
        refuses("a:<id", "unclosed segment");
        refuses("a:<id:<b>", "unclosed segment");
        refuses("a>b", "stray `>`");
        refuses("<id>>", "stray `>`");
        refuses("< id >", "write `<id>`, without spaces");
        refuses("<id.to_string()>", "calls nothing");
        for bad in [
            "<0>",
            "<.a>",
            "<a.>",
            "<a..b>",
            "<_>",
            "<a-b>",
            "<a:b>",
            "<Self>",
            "<crate.a>",
            "<a.self>",
            "<a/**/>",
        ] {
            refuses(bad, "cannot stand in a key template");
        }
        refuses("<a.4294967296>", "cannot stand");
        refuses(&"%".repeat(257), "the limit is 512");
    }
}
