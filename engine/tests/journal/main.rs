//! The journal against a simulated disk: what is acknowledged survives any crash, what is damaged is reported, and no bytes
//! whatever make it panic.

mod arbitrary;
mod crashes;
mod damage;
mod disk;
mod formats;
mod random;
mod rebuilding;
mod recycling;
mod two_checkpoints;
mod writer;
