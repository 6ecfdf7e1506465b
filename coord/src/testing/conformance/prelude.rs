//! What most cases need.

pub(super) use std::sync::Arc;
pub(super) use std::time::Duration;

pub(super) use bytes::Bytes;

pub(super) use super::fixture::{
    Fixture, LONG, Place, at_once, busy, conflict, contender, eventually, failed, granted, holders,
    owners, release, renewed, stored, value, waiting,
};
pub(super) use crate::error::StoreErrorKind;
pub(super) use crate::store::{
    Acquired, Append, AppendRequest, Condition, DeleteRequest, LeaseRequest, ListRequest, Put,
    PutRequest, Renewed, Result, Store, Version,
};
