use aws_lc_rs::rand;
use domain::ids::EventId;
use domain::time::Timestamp;
use ports::Randomness;

/// Random bytes from aws-lc's generator, which the operating system seeds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl SystemRandomness {
    fn bytes<const N: usize>() -> [u8; N] {
        let mut bytes = [0; N];
        #[expect(clippy::disallowed_methods, reason = "this is the Randomness port")]
        #[expect(clippy::expect_used, reason = "no secret may be created without random bytes")]
        rand::fill(&mut bytes).expect("the operating system provides random bytes");
        bytes
    }
}

impl Randomness for SystemRandomness {
    fn object_id(&self) -> [u8; 12] {
        Self::bytes()
    }

    fn nonce(&self) -> [u8; 16] {
        Self::bytes()
    }

    fn secret(&self) -> [u8; 32] {
        Self::bytes()
    }

    fn event_id(&self, at: Timestamp) -> EventId {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &Self::bytes()).into_uuid();
        EventId(id.hyphenated().to_string())
    }
}

#[cfg(test)]
mod tests {
    use domain::factors::OneTimeCode;

    use super::*;

    const CODES: u32 = 1_000_000;

    /// The negative natural logarithm of the probability with which one statistic rejects a fair source. All 25
    /// statistics together reject it in less than one of 10^9 runs.
    const RARITY: f64 = 24.0;

    type Code = [u8; 6];

    fn codes(random: impl Fn() -> [u8; 16]) -> Vec<Code> {
        let draw = |_| OneTimeCode::draw(&random).reveal().as_bytes().try_into().unwrap();
        (0..CODES).map(draw).collect()
    }

    /// Returns the positions to test: each digit alone, every pair of digits, and every three digits in a row.
    fn positions() -> Vec<Vec<usize>> {
        let alone = (0..6).map(|position| vec![position]);
        let pairs = (0..6).flat_map(|one| (one + 1..6).map(move |other| vec![one, other]));
        let rows = (0..4).map(|first| vec![first, first + 1, first + 2]);
        alone.chain(pairs).chain(rows).collect()
    }

    /// Returns Pearson's statistic of the digits at these positions.
    fn chi_squared(codes: &[Code], positions: &[usize], cells: u32) -> f64 {
        let mut counts = vec![0_u32; cells as usize];
        for code in codes {
            let digits = positions.iter().map(|position| usize::from(code[*position] - b'0'));
            counts[digits.fold(0, |cell, digit| cell * 10 + digit)] += 1;
        }
        let expected = f64::from(CODES) / f64::from(cells);
        let deviations = counts.iter().map(|count| (f64::from(*count) - expected).powi(2));
        deviations.sum::<f64>() / expected
    }

    /// Returns the positions whose statistic is above the bound. A fair source exceeds the bound with a probability of
    /// at most e^-RARITY (Laurent and Massart 2000, lemma 1).
    fn uneven_positions(codes: &[Code]) -> Vec<Vec<usize>> {
        let mut all = positions();
        all.retain(|positions| {
            let cells = (0..positions.len()).fold(1, |cells, _| cells * 10);
            let freedom = f64::from(cells - 1);
            let bound = freedom + 2.0 * (freedom * RARITY).sqrt() + 2.0 * RARITY;
            chi_squared(codes, positions, cells) > bound
        });
        all
    }

    #[test]
    fn one_time_codes_are_uniform_and_keep_leading_zeros() {
        let codes = codes(|| SystemRandomness.nonce());
        assert_eq!(uneven_positions(&codes), Vec::<Vec<usize>>::new());
        assert!(codes.iter().any(|code| code.starts_with(b"000")));
    }

    /// Twenty bits modulo a million, without rejection sampling, favour some codes.
    #[test]
    fn the_test_detects_codes_that_are_not_uniform() {
        let twenty_bits = || u128::from_le_bytes(SystemRandomness.nonce()) >> 108;
        let codes = codes(|| twenty_bits().to_le_bytes());
        assert!(uneven_positions(&codes).contains(&vec![0]));
    }
}
