//! Runs that begin together: nobody starts before all are prepared, and nobody waits for one that failed.

use std::sync::{Condvar, Mutex};

use crate::Failure;

/// See the top of the file. Shared by the threads of runs that belong together.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    awaited: usize,
    given_up: bool,
}

impl Gate {
    /// For so many runs.
    pub(crate) fn new(runs: usize) -> Self {
        Gate { state: Mutex::new(State { awaited: runs, given_up: false }), changed: Condvar::new() }
    }

    /// Waits until all have come here.
    pub(crate) fn pass(&self) -> Result<(), Failure> {
        let mut state = self.state.lock().expect("no thread panics while it holds this");
        state.awaited = state.awaited.saturating_sub(1);
        self.changed.notify_all();
        while state.awaited > 0 && !state.given_up {
            state = self.changed.wait(state).expect("no thread panics while it holds this");
        }
        if state.given_up { Err(Failure::NotTogether) } else { Ok(()) }
    }

    /// Tells the others that one will not come.
    pub(crate) fn give_up(&self) {
        self.state.lock().expect("no thread panics while it holds this").given_up = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn all_pass_together_or_none_does() {
        for fails in [false, true] {
            let gate = Arc::new(Gate::new(3));
            let waiting: Vec<_> = (0..2)
                .map(|_| {
                    let gate = Arc::clone(&gate);
                    std::thread::spawn(move || gate.pass().is_ok())
                })
                .collect();
            match fails {
                true => gate.give_up(),
                false => gate.pass().unwrap(),
            }
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap() != fails));
        }
    }
}
