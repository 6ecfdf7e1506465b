//! What the two attributes of a saga tell each other, and what its outputs show.

use std::fmt;

use super::definition::Saga;
use super::input::InputCodec;
use crate::error::Error;
use crate::key::Key;

/// A saga's key, which the attribute on the struct knows. The one on the impl relies on it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no key",
    label = "must have `#[saga(\"order:<order_id>\")]` on the struct: a key template over its fields",
    note = "a generic struct has one only with parameters that implement `serde::Serialize` and \
            `serde::de::DeserializeOwned`"
)]
pub trait SagaKey: Sized {
    /// Its template.
    const TEMPLATE: &'static str;

    /// How the input is stored and read again.
    fn codec() -> InputCodec<Self>;

    /// The key of this input.
    fn saga_key(&self) -> Result<Key, Error>;
}

/// A saga's steps, which the attribute on the impl knows. The one on the struct relies on them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no steps",
    label = "must have `#[saga]` on the impl with its steps, each of which has `#[step]`"
)]
pub trait SagaSteps: Saga {}

/// What a method returns, whether it can be stored or not: that is asked of it once, where its step is made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a step returns",
    label = "must be a `Result`",
    note = "return `Result<T, E>`, where `T` is what is stored"
)]
pub trait Returned {
    /// Of a success.
    type Success;
}

impl<T, E> Returned for Result<T, E> {
    type Success = T;
}

/// What a step puts out whose method returns `R`.
pub type SuccessOf<R> = <R as Returned>::Success;

/// A field of a saga's outputs, to be shown by `shown()`: as it shows itself, or, with [`ShownAnyway`] in scope, as
/// `..` if it cannot. So outputs have no traits to derive for the sake of `unwrap_err`.
pub struct Shown<'a, T>(pub &'a T);

impl<T: fmt::Debug> Shown<'_, T> {
    /// What to show.
    pub fn shown(&self) -> &dyn fmt::Debug {
        self.0
    }
}

/// See [`Shown`], whose own method goes first.
pub trait ShownAnyway {
    /// What to show.
    fn shown(&self) -> &dyn fmt::Debug;
}

impl<T> ShownAnyway for Shown<'_, T> {
    fn shown(&self) -> &dyn fmt::Debug {
        &Hidden
    }
}

struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
