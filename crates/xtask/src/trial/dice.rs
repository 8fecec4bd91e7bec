use std::hash::{BuildHasher as _, RandomState};

/// Numbers that a seed fixes (`SplitMix64`).
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed nobody knows before.
    pub(super) fn seed() -> u64 {
        RandomState::new().hash_one("trial")
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..sides`.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides.max(1)
    }

    /// One of several.
    pub(super) fn choose<'a, T>(&mut self, among: &'a mut [T]) -> Option<&'a mut T> {
        let sides = u64::try_from(among.len()).unwrap_or(u64::MAX);
        let chosen = usize::try_from(self.below(sides)).unwrap_or_default();
        among.get_mut(chosen)
    }

    /// Dice of somebody else's own.
    pub(super) fn another(&mut self) -> Self {
        Self(self.roll())
    }
}
