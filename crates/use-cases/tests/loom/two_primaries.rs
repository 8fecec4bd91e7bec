//! A replica set of which the old primary was cut off and goes on for a while: what does a mint beside it see?
//!
//! What it is asked to write is not acknowledged when it matches, since no majority gets it; what matches nothing is
//! acknowledged at once, and orders nothing. Reads are answered from what it had committed when it was cut off; only a
//! linearizable one finds out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

#[derive(Clone, Copy, Default)]
struct Committed {
    locked: bool,
    /// The family was closed before, so a write that closes it matches nothing.
    closed: bool,
}

/// What the majority has, and what the old primary still answers with, once it has been cut off.
#[derive(Default)]
struct Members {
    majority: Committed,
    cut_off: Option<Committed>,
}

/// The minter has no acknowledgement: it answers 503.
struct NotAcknowledged;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Causal after the latest write that was acknowledged, which an unmatched one is, too.
    AfterEveryWrite,
    /// Causal after a matched write, and linearizable after an unmatched one.
    AfterMatchedWrites,
}

struct ReplicaSet {
    members: Mutex<Members>,
    /// The lock's 204 has been sent.
    answered: AtomicBool,
}

impl ReplicaSet {
    fn new(closed: bool) -> Self {
        let majority = Committed { locked: false, closed };
        Self {
            members: Mutex::new(Members {
                majority,
                cut_off: None,
            }),
            answered: AtomicBool::new(false),
        }
    }

    fn elect_another(&self) {
        let mut members = self.members.lock().unwrap();
        members.cut_off = Some(members.majority);
    }

    /// On the new primary.
    fn lock(&self) {
        self.members.lock().unwrap().majority.locked = true;
        self.answered.store(true, Ordering::SeqCst);
    }

    /// Beside the old primary; whether the family was open.
    fn close(&self) -> Result<bool, NotAcknowledged> {
        let mut members = self.members.lock().unwrap();
        match members.cut_off {
            Some(old) if !old.closed => Err(NotAcknowledged),
            Some(_) => Ok(false),
            None => {
                let matched = !members.majority.closed;
                members.majority.closed = true;
                Ok(matched)
            }
        }
    }

    fn is_locked(&self, is_linearizable: bool) -> Result<bool, NotAcknowledged> {
        let members = self.members.lock().unwrap();
        match members.cut_off {
            Some(_) if is_linearizable => Err(NotAcknowledged),
            Some(old) => Ok(old.locked),
            None => Ok(members.majority.locked),
        }
    }

    /// Presents the token that closes the family, or that closed it, which still gets an access token.
    fn mint(&self, look: Look) {
        let begins_late = self.answered.load(Ordering::SeqCst);
        let seals = self.close().and_then(|matched| {
            let is_linearizable = look == Look::AfterMatchedWrites && !matched;
            Ok(!self.is_locked(is_linearizable)?)
        });
        assert!(
            !(begins_late && seals.unwrap_or(false)),
            "a mint that began after the lock's answer sealed"
        );
    }
}

/// Two mints beside the old primary against an election and a lock, in every order.
fn race(look: Look, closed: bool) {
    let mut every_interleaving = loom::model::Builder::new();
    every_interleaving.preemption_bound = Some(3);
    every_interleaving.check(move || {
        let replicas = Arc::new(ReplicaSet::new(closed));
        let minters: Vec<_> = (0..2)
            .map(|_| {
                let replicas = replicas.clone();
                thread::spawn(move || replicas.mint(look))
            })
            .collect();
        replicas.elect_another();
        replicas.lock();
        for minter in minters {
            minter.join().unwrap();
        }
    });
}

#[test]
fn beside_an_old_primary_nothing_is_sealed_after_the_locks_answer() {
    for closed in [false, true] {
        race(Look::AfterMatchedWrites, closed);
    }
}

#[test]
fn a_look_that_is_causal_after_an_unmatched_write_seals_after_the_locks_answer() {
    let found = catch_unwind(AssertUnwindSafe(|| race(Look::AfterEveryWrite, true)));
    let panic = found.expect_err("there is an order that breaks the promise");
    let words = panic.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(words.contains("began after the lock's answer"), "{words}");
}
