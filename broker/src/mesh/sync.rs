//! The atomics and cells that [`super::queue`] is written against.
//!
//! The model test compiles the same `queue.rs` against loom's types of the same names, so the code that is proven
//! and the code that runs are one text.

pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// `std::cell::UnsafeCell` with loom's way of access: a pointer that lives for one closure.
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(super) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }
}
