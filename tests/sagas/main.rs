//! Sagas as their users see them.

mod handwritten;
