//! The sagas that are compiled in, so that those of dead processes can be recovered by name.

use std::any::type_name;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Arc, LazyLock};

use super::closures;
use super::definition::{Definition, Saga};
use crate::coordinator::{Coordinator, InstallCheck};
use crate::error::Error;

/// An entry of the registry. Generated code submits one for each saga that is not generic:
/// `inventory::submit! { Registered::of::<PlaceOrder>() }`.
pub struct Registered {
    name: &'static str,
    type_name: fn() -> &'static str,
    definition: fn() -> Arc<Definition>,
    place: &'static Location<'static>,
}

inventory::collect!(Registered);

static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Registered>>> = LazyLock::new(|| {
    let mut by_name = HashMap::<_, Vec<_>>::new();
    for registered in inventory::iter::<Registered> {
        by_name.entry(registered.name).or_default().push(registered);
    }
    by_name
});

inventory::submit! {
    InstallCheck(|coordinator| {
        let mut all: Vec<_> = inventory::iter::<Registered>.into_iter().collect();
        // Whichever of several mistakes is told, it is the same one each time.
        all.sort_unstable_by_key(|registered| registered.name);
        all.into_iter().try_for_each(|registered| (registered.definition)().check(coordinator))
    })
}

impl Registered {
    /// The entry of `S`, which stands where this is called.
    #[track_caller]
    pub const fn of<S: Saga>() -> Self {
        Self {
            name: S::NAME,
            type_name: type_name::<S>,
            definition: Definition::of::<S>,
            place: Location::caller(),
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.place.file(), self.place.line())
    }

    /// All definitions that are compiled in.
    #[cfg(feature = "testing")]
    pub(crate) fn all() -> impl Iterator<Item = Arc<Definition>> {
        let all = inventory::iter::<Self>.into_iter();
        all.map(|registered| (registered.definition)())
    }

    /// The definition of this name, if it is compiled in.
    ///
    /// # Errors
    ///
    /// [`Error::SagaNameTaken`] if there are two.
    pub fn find(name: &str) -> Result<Option<Arc<Definition>>, Error> {
        check_name(name)?;
        let found = BY_NAME.get(name).and_then(|found| found.first());
        Ok(found.map(|found| (found.definition)()))
    }
}

impl Definition {
    /// Whether it is the only one of its name, and the coordinator has what its steps ask for.
    pub(super) fn check(&self, coordinator: &Coordinator) -> Result<(), Error> {
        check_name(self.name)?;
        self.check_dependencies(coordinator)
    }

    fn check_dependencies(&self, coordinator: &Coordinator) -> Result<(), Error> {
        let mut needed = self.steps.iter().flat_map(|step| &step.needs);
        let missing = needed.find(|needed| !coordinator.dependencies().has(**needed));
        missing.map_or(Ok(()), |missing| {
            Err(Error::MissingDependency {
                saga: self.name,
                dependency: missing.name,
            })
        })
    }
}

/// What is stored under a name must be of one type, or it would be read as another.
fn check_name(name: &str) -> Result<(), Error> {
    let (one, type_name, others) = match BY_NAME.get(name).map(Vec::as_slice) {
        Some([one, other, ..]) => (other, (one.type_name)(), format!("{} and ", one.place())),
        Some([one]) if one.name == closures::NAME => (one, "Coordinator::saga", String::new()),
        _ => return Ok(()),
    };
    Err(Error::SagaNameTaken {
        name: one.name,
        one: type_name,
        other: (one.type_name)(),
        places: others + &one.place(),
    })
}
