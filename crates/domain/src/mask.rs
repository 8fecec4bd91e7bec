//! Masks: how much of a contact is ever shown. Source: AuthMe documentation, `ex***le@br.e*******.com`, `*****2222`.
//! Every rule counts characters, so no alphabet shows more than another.

/// Masks an e-mail address.
///
/// The local part keeps its first two and last two characters; of four or fewer it keeps the first, of one none.
/// Every domain label but the last that is longer than three characters keeps its first.
pub fn email(address: &str) -> String {
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let mut masked = match local.chars().count() {
        0 | 1 => keep(local, 0, 0),
        2..=4 => keep(local, 1, 0),
        _ => keep(local, 2, 2),
    };
    if !domain.is_empty() {
        masked.push('@');
        let mut labels = domain.split('.').peekable();
        while let Some(label) = labels.next() {
            let is_last = labels.peek().is_none();
            let shown_whole = is_last || label.chars().count() <= 3;
            masked.push_str(&if shown_whole {
                label.to_owned()
            } else {
                keep(label, 1, 0)
            });
            if !is_last {
                masked.push('.');
            }
        }
    }
    masked
}

/// Masks a subscriber number: the last four digits stay; of six or fewer only the last two.
pub fn mobile(number: &str) -> String {
    let shown = if number.chars().count() <= 6 { 2 } else { 4 };
    keep(number, 0, shown)
}

fn keep(text: &str, first: usize, last: usize) -> String {
    let count = text.chars().count();
    text.chars()
        .enumerate()
        .map(|(i, c)| if i < first || i + last >= count { c } else { '*' })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn masks_are_as_documented() {
        for (address, masked) in [
            ("example@br.experian.com", "ex***le@br.e*******.com"),
            ("a@example.com", "*@e******.com"),
            ("ab@example.com", "a*@e******.com"),
            ("abcd@mail.example.com", "a***@m***.e******.com"),
            ("abcde@localhost", "ab*de@localhost"),
            ("žluťoučký@kůň.česko.cz", "žl*****ký@kůň.č****.cz"),
        ] {
            assert_eq!(email(address), masked);
        }
        for (number, masked) in [
            ("911112222", "*****2222"),
            ("1234567", "***4567"),
            ("123456", "****56"),
            ("12", "12"),
        ] {
            assert_eq!(mobile(number), masked);
        }
    }

    proptest! {
        #[test]
        fn a_mask_keeps_the_length_and_shows_no_more_than_its_rule(local in "[^@]{1,80}", domain in "[a-z]{1,20}(\\.[a-z]{1,20}){0,4}") {
            let masked = email(&format!("{local}@{domain}"));
            let (head, tail) = masked.rsplit_once('@').unwrap();
            prop_assert_eq!(head.chars().count(), local.chars().count());
            prop_assert_eq!(tail.chars().count(), domain.chars().count());
            let shown = head.chars().zip(local.chars()).filter(|(m, c)| m == c && *c != '*').count();
            let allowed = match local.chars().count() { 1 => 0, 2..=4 => 1, _ => 4 };
            prop_assert!(shown <= allowed);
        }

        #[test]
        fn a_masked_number_shows_at_most_four_digits(number in "[0-9]{3,15}") {
            let masked = mobile(&number);
            prop_assert_eq!(masked.len(), number.len());
            let shown = masked.chars().filter(|c| *c != '*').count();
            prop_assert_eq!(shown, if number.len() <= 6 { 2 } else { 4 });
        }
    }
}
