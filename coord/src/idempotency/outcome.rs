//! Whether a result is new.

/// A result, and whether this call's body made it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let coord = coord::Coordinator::builder().build();
/// use coord::{Error, Outcome};
///
/// let call = || coord.idempotency("payment:123");
/// assert_eq!(call().outcome(async || Ok::<_, Error>(42)).await?, Outcome::Executed(42));
/// assert_eq!(call().outcome(async || Ok::<_, Error>(43)).await?, Outcome::Replayed(42));
/// # Ok::<(), Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome<T> {
    /// The body ran in this call.
    Executed(T),
    /// It is the stored result of an earlier call.
    Replayed(T),
}

impl<T> Outcome<T> {
    /// The result.
    pub fn into_inner(self) -> T {
        match self {
            Self::Executed(result) | Self::Replayed(result) => result,
        }
    }

    /// Whether it is the stored result of an earlier call.
    pub fn is_replayed(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }
}

impl<T, E> Outcome<Result<T, E>> {
    /// The outcome of a success, or the error.
    pub(super) fn transpose(self) -> Result<Outcome<T>, E> {
        match self {
            Self::Executed(result) => result.map(Outcome::Executed),
            Self::Replayed(result) => result.map(Outcome::Replayed),
        }
    }
}
