use std::hash::{BuildHasher as _, RandomState};

/// A pseudo-random number generator (`SplitMix64`): one seed always gives the same numbers.
#[derive(Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a seed that differs from run to run.
    pub(super) fn random_seed() -> u64 {
        RandomState::new().hash_one("trial")
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number of `0..bound`.
    pub(super) fn next_below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }

    /// Returns one of the items; `None` when there are none.
    pub(super) fn choose<'a, T>(&mut self, items: &'a mut [T]) -> Option<&'a mut T> {
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(self.next_below(count)).unwrap_or_default();
        items.get_mut(index)
    }

    /// Returns a generator whose numbers are independent of further ones of `self`.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.next_u64())
    }
}
