//! How what a body returns is stored and read again.

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exact::Exact;
use super::record::State;
use crate::error::without_values;

/// How an `Output` is stored and read again. Functions rather than a trait, so that generated code can hand
/// them over from where the type was written.
pub struct Codec<Output> {
    /// What the form of the stored result is called.
    pub(crate) name: &'static str,
    /// The state of a record with this result; `None` if it is not to be stored.
    pub(crate) state_of: fn(&Output) -> Option<State>,
    /// Appends a result that is to be stored, or says what is wrong.
    pub(crate) encode: fn(&Output, &mut Vec<u8>) -> Result<(), String>,
    /// Reads what was stored in this state, or says what is wrong.
    pub(crate) decode: fn(State, &[u8]) -> Result<Output, String>,
    /// The name of the type that is stored in this state.
    pub(crate) type_name: fn(State) -> &'static str,
}

impl<Output> Clone for Codec<Output> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Output> Copy for Codec<Output> {}

impl<T, E> Codec<Result<T, E>>
where
    T: Serialize + DeserializeOwned,
{
    /// Stores `Ok` only.
    pub(crate) const fn of_values() -> Self {
        Self {
            name: JSON,
            state_of: |output| output.is_ok().then_some(State::Value),
            encode: |output, record| {
                output
                    .as_ref()
                    .map_or(Ok(()), |value| encode(value, record))
            },
            decode: |state, stored| match state {
                State::Error => {
                    Err("it is an error, and this call does not remember errors".to_owned())
                }
                _ => decode(stored).map(Ok),
            },
            type_name: |_| type_name::<T>(),
        }
    }
}

impl<T, E> Codec<Result<T, E>>
where
    T: Serialize + DeserializeOwned,
    E: Serialize + DeserializeOwned,
{
    /// Stores `Ok` and `Err`. An error that serde refuses is not stored: that is how a type says which of its
    /// errors are not worth remembering.
    pub(crate) const fn of_values_and_errors() -> Self {
        Self {
            name: JSON,
            state_of: |output| {
                Some(if output.is_ok() {
                    State::Value
                } else {
                    State::Error
                })
            },
            encode: |output, record| match output {
                Ok(value) => encode(value, record),
                Err(error) => encode(error, record),
            },
            decode: |state, stored| match state {
                State::Error => decode(stored).map(Err),
                _ => decode(stored).map(Ok),
            },
            type_name: |state| match state {
                State::Error => type_name::<E>(),
                _ => type_name::<T>(),
            },
        }
    }
}

const JSON: &str = "json";

fn encode<T: Serialize>(value: &T, record: &mut Vec<u8>) -> Result<(), String> {
    serde_json::to_writer(record, &Exact::new(value)).map_err(|problem| problem.to_string())
}

fn decode<T: DeserializeOwned>(stored: &[u8]) -> Result<T, String> {
    serde_json::from_slice(stored).map_err(|problem| without_values(&problem))
}
