//! What a service provides to the sagas that ask for it by type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::sync::Arc;

/// One value of each type.
#[derive(Clone, Default)]
pub(crate) struct Dependencies(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

/// A type that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Dependency {
    id: TypeId,
    pub(crate) name: &'static str,
}

impl Dependency {
    /// The type `T`.
    pub fn of<T: Any>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        }
    }
}

impl Dependencies {
    pub(super) fn provide<T: Any + Send + Sync>(&mut self, dependency: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(dependency));
    }

    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    pub(crate) fn has(&self, dependency: Dependency) -> bool {
        self.0.contains_key(&dependency.id)
    }
}
