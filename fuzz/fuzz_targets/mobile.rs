//! Mobile numbers: parsing, comparison key and mask agree. The input is region, area and number, separated by spaces.
#![no_main]

use domain::contact::{ContactValue, Mobile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, ' ');
    let (Some(region), Some(area), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    for area in [None, Some(area)] {
        let Ok(mobile) = Mobile::parse(region, area, number) else {
            continue;
        };
        let again = Mobile::parse(mobile.region(), mobile.area(), mobile.number());
        assert_eq!(again.as_ref(), Ok(&mobile));
        let key = mobile.comparison_key();
        assert!((7..=15).contains(&key.len()) && key.bytes().all(|digit| digit.is_ascii_digit()));
        let masked = mobile.masked_number();
        assert_eq!(masked.len(), number.len());
        assert!(masked.starts_with("**"));
        let printed = format!("{:?}", ContactValue::Mobile(mobile));
        assert!(printed.ends_with(&masked));
    }
});
