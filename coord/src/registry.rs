//! What is annotated in this program: [`registry`] lists it, with where it stands.

use std::panic::Location;

/// What kind of annotation one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AnnotatedKind {
    /// `#[locked]`
    Locked,
    /// `#[idempotent]`
    Idempotent,
    /// `#[saga]`
    Saga,
    /// `#[retry]`
    Retry,
    /// `#[circuit_breaker]`
    CircuitBreaker,
}

/// One attribute on a function, or a saga.
#[derive(Debug, Clone, Copy)]
pub struct Annotated {
    kind: AnnotatedKind,
    templates: &'static [&'static str],
    name: Option<&'static str>,
    options: &'static str,
    function: &'static str,
    place: &'static Location<'static>,
}

inventory::collect!(Annotated);

/// Every function with `#[locked]`, `#[idempotent]`, `#[retry]` or `#[circuit_breaker]` and every `#[saga]` that is compiled
/// into this program, in the order of their files and lines. A function with several attributes is there once for each.
/// A function in a `trait` is there for each implementation that has the attribute.
///
/// ```
/// use coord::registry::AnnotatedKind;
/// use coord::{Error, locked};
///
/// #[locked("warehouse:<id>", ttl = "30s")]
/// async fn take_stock(id: u64) -> Result<u64, Error> { Ok(id) }
///
/// # let _ = take_stock;
/// let all = coord::registry();
/// let found = all.iter().find(|one| one.function().ends_with("take_stock")).expect("it is compiled in");
/// assert_eq!(found.kind(), AnnotatedKind::Locked);
/// assert_eq!(found.templates(), ["warehouse:<id>"]);
/// assert_eq!(found.options(), "ttl = \"30s\"");
/// println!("{}:{}", found.file(), found.line());
/// ```
pub fn registry() -> Vec<Annotated> {
    let mut all: Vec<_> = inventory::iter::<Annotated>.into_iter().copied().collect();
    all.sort_unstable_by_key(|one| {
        let place = one.place;
        let within = (place.line(), place.column(), one.kind);
        (place.file(), within, one.function, one.templates)
    });
    all
}

impl Annotated {
    /// The entry of what stands where this is called.
    #[doc(hidden)]
    #[track_caller]
    pub const fn new(
        kind: AnnotatedKind,
        templates: &'static [&'static str],
        name: Option<&'static str>,
        options: &'static str,
        function: &'static str,
    ) -> Self {
        Self {
            kind,
            templates,
            name,
            options,
            function,
            place: Location::caller(),
        }
    }

    /// Which attribute it is.
    pub fn kind(&self) -> AnnotatedKind {
        self.kind
    }

    /// Its key templates, as they are written; none for a policy.
    pub fn templates(&self) -> &'static [&'static str] {
        self.templates
    }

    /// What a policy is called in metrics, or a saga in the store. `None` for locks and idempotent calls, and for a name
    /// that is made at run time.
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// Its options, as they are written in the source: `ttl = "30s", wait = "5s"`.
    pub fn options(&self) -> &'static str {
        self.options
    }

    /// The path of the function or the saga, with its module; of a method, without its type.
    pub fn function(&self) -> &'static str {
        self.function
    }

    /// The source file, as the compiler was given it.
    pub fn file(&self) -> &'static str {
        self.place.file()
    }

    /// The line of the attribute; of the first one, if there are several.
    pub fn line(&self) -> u32 {
        self.place.line()
    }

    /// What is the same for two entries of one function.
    pub(crate) fn identity(&self) -> (&'static str, &'static Location<'static>) {
        (self.function, self.place)
    }
}
