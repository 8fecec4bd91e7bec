//! A mint in the presence of an old primary that was cut off and does not know it yet (docs/protocols.md "Linearizable
//! reads").
//!
//! The old primary acknowledges no matched write, since no majority replicates it. It acknowledges an unmatched write
//! immediately, which gives no guarantee about later reads. It answers reads with the state that was committed when it
//! was cut off; only a linearizable read fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

#[derive(Clone, Copy, Default)]
struct Committed {
    is_locked: bool,
    /// The family was closed before, so a write that closes it matches nothing.
    is_closed: bool,
}

/// The state of the majority, and the state that the old primary answers with once it is cut off.
#[derive(Default)]
struct Members {
    majority: Committed,
    cut_off: Option<Committed>,
}

/// The store did not acknowledge: the mint answers 503.
struct NotAcknowledged;

#[derive(Clone, Copy, PartialEq, Eq)]
enum CausalReads {
    /// Causal after every acknowledged write, unmatched ones included. This is wrong.
    AfterEveryWrite,
    /// Causal after a matched write, linearizable after an unmatched one. This is what the mint gate does.
    AfterMatchedWrites,
}

struct ReplicaSet {
    members: Mutex<Members>,
    /// The lock's 204 has been sent.
    is_answered: AtomicBool,
}

impl ReplicaSet {
    fn new(is_closed: bool) -> Self {
        let majority = Committed {
            is_locked: false,
            is_closed,
        };
        Self {
            members: Mutex::new(Members {
                majority,
                cut_off: None,
            }),
            is_answered: AtomicBool::new(false),
        }
    }

    fn elect_another(&self) {
        let mut members = self.members.lock().unwrap();
        members.cut_off = Some(members.majority);
    }

    /// Locks on the new primary.
    fn lock(&self) {
        self.members.lock().unwrap().majority.is_locked = true;
        self.is_answered.store(true, Ordering::SeqCst);
    }

    /// Closes the family, at the old primary if there is one. Returns whether the write matched.
    fn close(&self) -> Result<bool, NotAcknowledged> {
        let mut members = self.members.lock().unwrap();
        match members.cut_off {
            Some(old) if !old.is_closed => Err(NotAcknowledged),
            Some(_) => Ok(false),
            None => {
                let matched = !members.majority.is_closed;
                members.majority.is_closed = true;
                Ok(matched)
            }
        }
    }

    fn is_locked(&self, is_linearizable: bool) -> Result<bool, NotAcknowledged> {
        let members = self.members.lock().unwrap();
        match members.cut_off {
            Some(_) if is_linearizable => Err(NotAcknowledged),
            Some(old) => Ok(old.is_locked),
            None => Ok(members.majority.is_locked),
        }
    }

    /// Presents the token that closes the family. If the family is closed by it already, it still gets an access token.
    fn mint(&self, reads: CausalReads) {
        let is_late_start = self.is_answered.load(Ordering::SeqCst);
        let signs = self.close().and_then(|matched| {
            let is_linearizable = reads == CausalReads::AfterMatchedWrites && !matched;
            Ok(!self.is_locked(is_linearizable)?)
        });
        assert!(
            !(is_late_start && signs.unwrap_or(false)),
            "a mint that began after the lock's answer signed"
        );
    }
}

/// Runs two mints beside the old primary against an election and a lock, in every order with at most three preemptions.
fn race(reads: CausalReads, is_closed: bool) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let replicas = Arc::new(ReplicaSet::new(is_closed));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let replicas = replicas.clone();
                thread::spawn(move || replicas.mint(reads))
            })
            .collect();
        replicas.elect_another();
        replicas.lock();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn an_old_primary_signs_nothing_after_the_lock() {
    for is_closed in [false, true] {
        race(CausalReads::AfterMatchedWrites, is_closed);
    }
}

#[test]
fn a_causal_read_after_no_match_signs_after_the_lock() {
    let result = catch_unwind(AssertUnwindSafe(|| race(CausalReads::AfterEveryWrite, true)));
    let panic = result.expect_err("an order breaks the promise");
    let message = panic.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(message.contains("began after the lock's answer"), "{message}");
}
