//! Buffers that may be lent to the kernel.

use std::rc::Rc;
use std::sync::Arc;

use crate::memory::{AlignedBuf, Span};

/// A buffer that the kernel may read while an operation owns it.
///
/// # Safety
/// The bytes `address .. address + byte_len` are initialised, stay valid and at the same address while the value lives, also
/// when it is moved, and nobody changes them meanwhile except through `&mut` to the value.
pub unsafe trait IoBuf: Unpin + 'static {
    /// The first byte.
    fn address(&self) -> *const u8;
    /// Bytes to transfer.
    fn byte_len(&self) -> usize;
}

// SAFETY: the memory is on the heap, initialised, and owned by the value alone.
unsafe impl IoBuf for AlignedBuf {
    fn address(&self) -> *const u8 {
        self.as_ptr()
    }

    fn byte_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: the memory is on the heap, initialised up to `len`, and owned by the value alone.
unsafe impl IoBuf for Vec<u8> {
    fn address(&self) -> *const u8 {
        self.as_ptr()
    }

    fn byte_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: a span's bytes were published, so they are never written again, and the span keeps their memory alive.
unsafe impl IoBuf for Span {
    fn address(&self) -> *const u8 {
        self.as_ptr()
    }

    fn byte_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: static bytes live for ever and do not change.
unsafe impl IoBuf for &'static [u8] {
    fn address(&self) -> *const u8 {
        self.as_ptr()
    }

    fn byte_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: while one `Rc` is lent out, nobody can get `&mut` to what it points at, and that does not move.
unsafe impl<B: IoBuf> IoBuf for Rc<B> {
    fn address(&self) -> *const u8 {
        self.as_ref().address()
    }

    fn byte_len(&self) -> usize {
        self.as_ref().byte_len()
    }
}

// SAFETY: as for `Rc`.
unsafe impl<B: IoBuf> IoBuf for Arc<B> {
    fn address(&self) -> *const u8 {
        self.as_ref().address()
    }

    fn byte_len(&self) -> usize {
        self.as_ref().byte_len()
    }
}

// SAFETY: the bytes are behind the reference count and cannot be borrowed mutably while it is shared.
unsafe impl IoBuf for Arc<[u8]> {
    fn address(&self) -> *const u8 {
        self.as_ptr()
    }

    fn byte_len(&self) -> usize {
        self.len()
    }
}
