//! Sagas as their users see them.

mod declared;
mod handwritten;
