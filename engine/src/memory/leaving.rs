//! Memory that is needed no more, on its way back. What the pool does not keep goes back to the system, page by page, on the core that lets
//! it go: much of it at once would hold up everybody else.

use std::collections::VecDeque;

use super::Chunk;

/// Chunks that go, the first ones first. Readers may hold some of them for longer.
#[derive(Default)]
pub struct Leaving {
    chunks: VecDeque<(usize, Chunk)>,
}

impl Leaving {
    /// Takes a chunk of so many bytes.
    pub fn push(&mut self, bytes: usize, chunk: Chunk) {
        self.chunks.push_back((bytes, chunk));
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Lets the next `bytes` go, and what is left of the chunk that they end in.
    pub fn let_go(&mut self, bytes: usize) {
        let mut gone = 0;
        while gone < bytes
            && let Some((bytes, chunk)) = self.chunks.pop_front()
        {
            drop(chunk);
            gone += bytes;
        }
    }
}
