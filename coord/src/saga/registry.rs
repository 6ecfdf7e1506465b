//! The sagas that are compiled in, so that those of dead processes can be recovered by name.

use std::sync::Arc;

use super::definition::{Definition, Saga};
use crate::coordinator::InstallCheck;

/// An entry of the registry. Generated code submits one for each saga that is not generic:
/// `inventory::submit! { Registered::of::<PlaceOrder>() }`.
pub struct Registered {
    name: &'static str,
    definition: fn() -> Arc<Definition>,
}

inventory::collect!(Registered);

inventory::submit! {
    InstallCheck(|coordinator| {
        let mut all = inventory::iter::<Registered>.into_iter();
        all.try_for_each(|registered| (registered.definition)().check_dependencies(coordinator))
    })
}

impl Registered {
    /// The entry of `S`.
    pub const fn of<S: Saga>() -> Self {
        Self {
            name: S::NAME,
            definition: Definition::of::<S>,
        }
    }

    /// All definitions that are compiled in.
    #[cfg(feature = "testing")]
    pub(crate) fn all() -> impl Iterator<Item = Arc<Definition>> {
        let all = inventory::iter::<Self>.into_iter();
        all.map(|registered| (registered.definition)())
    }

    /// The definition of this name, if it is compiled in. Of two with one name, any.
    pub fn find(name: &str) -> Option<Arc<Definition>> {
        let mut all = inventory::iter::<Registered>.into_iter();
        let found = all.find(|registered| registered.name == name)?;
        Some((found.definition)())
    }
}
