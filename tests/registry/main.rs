//! What a program knows of its own annotations and locks. In a binary of its own: two of its functions collide, so that
//! no coordinator can be installed in it.

mod colliding;
mod listing;
mod ordering;
