//! Masks: they keep the length, are idempotent and show few characters.
#![no_main]

use domain::mask;
use libfuzzer_sys::fuzz_target;

/// Counts the characters that are not masked.
fn visible_count(masked: &str) -> usize {
    masked.chars().filter(|c| *c != '*').count()
}

fuzz_target!(|text: &str| {
    let count = text.chars().count();
    let number = mask::mobile(text);
    assert_eq!(number.chars().count(), count);
    assert!(visible_count(&number) <= if count <= 6 { 2 } else { 4 });
    assert_eq!(mask::mobile(&number), number);

    let address = mask::email(text);
    assert_eq!(mask::email(&address), address);
    let (local, domain) = text.split_once('@').unwrap_or((text, ""));
    let (masked_local, masked_domain) = address.split_once('@').unwrap_or((&address, ""));
    assert_eq!(masked_local.chars().count(), local.chars().count());
    assert_eq!(masked_domain.chars().count(), domain.chars().count());
    let allowed = match local.chars().count() {
        0 | 1 => 0,
        2..=4 => 1,
        _ => 4,
    };
    assert!(visible_count(masked_local) <= allowed);
    let labels: Vec<_> = domain.split('.').collect();
    if let Some((_, longer)) = labels.split_last() {
        for (label, masked) in longer.iter().zip(masked_domain.split('.')) {
            assert!(label.chars().count() <= 3 || visible_count(masked) <= 1);
        }
    }
});
