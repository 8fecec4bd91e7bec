//! Masks: the part of a contact that responses, events and logs show. The rules are those of the documented API. They
//! count characters and not bytes, so that no alphabet reveals more than another.

/// Masks an e-mail address, or any other text, with one `*` for each hidden character.
///
/// The local part keeps its first two and last two characters. If it has two to four characters, it keeps the first; a
/// single character is hidden. Each domain label of more than three characters keeps its first, except the last label,
/// which is shown in full.
///
/// ```
/// use domain::mask;
///
/// assert_eq!(mask::email("example@br.experian.com"), "ex***le@br.e*******.com");
/// assert_eq!(mask::mobile("911112222"), "*****2222");
/// ```
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
            let is_shown_whole = is_last || label.chars().count() <= 3;
            masked.push_str(&if is_shown_whole {
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

/// Masks a subscriber number: it keeps its last four digits, or its last two if it has six digits or fewer.
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

    /// Returns the positions that are not hidden.
    fn shown_positions(masked: &str) -> Vec<usize> {
        let characters = masked.chars().enumerate();
        characters.filter(|(_, c)| *c != '*').map(|(at, _)| at).collect()
    }

    /// Returns the positions of a local part that may be shown, by its length.
    fn permitted_in_local_part(count: usize) -> Vec<usize> {
        match count {
            0 | 1 => Vec::new(),
            2..=4 => vec![0],
            _ => vec![0, 1, count - 2, count - 1],
        }
    }

    fn permitted_in_label(count: usize, is_last: bool) -> Vec<usize> {
        if is_last || count <= 3 {
            (0..count).collect()
        } else {
            vec![0]
        }
    }

    /// Returns whether each character is hidden or unchanged.
    fn covers(masked: &str, text: &str) -> bool {
        masked.chars().count() == text.chars().count()
            && masked.chars().zip(text.chars()).all(|(m, c)| m == '*' || m == c)
    }

    #[test]
    fn a_mebibyte_is_masked() {
        let long = "\u{17e}".repeat(1 << 20);
        assert_eq!(shown_positions(&mobile(&long)).len(), 4);
        assert_eq!(shown_positions(&email(&long)).len(), 4);
        let dotted = format!("a@{}b", "\u{17e}.".repeat(1 << 19));
        assert_eq!(email(&dotted).chars().count(), dotted.chars().count());
    }

    proptest! {
        /// Covers any alphabet. An asterisk in the address itself would seem hidden, so it is excluded.
        #[test]
        fn an_address_mask_shows_exactly_the_permitted_characters(
            local in "[^@*]{1,80}",
            labels in prop::collection::vec("[^@.*]{1,20}", 1..6),
        ) {
            let domain = labels.join(".");
            let masked = email(&format!("{local}@{domain}"));
            let (head, tail) = masked.rsplit_once('@').unwrap();
            prop_assert!(covers(head, &local) && covers(tail, &domain));
            prop_assert_eq!(shown_positions(head), permitted_in_local_part(local.chars().count()));
            for (at, (part, label)) in tail.split('.').zip(&labels).enumerate() {
                let is_last = at + 1 == labels.len();
                prop_assert_eq!(shown_positions(part), permitted_in_label(label.chars().count(), is_last));
            }
        }

        #[test]
        fn a_number_mask_shows_only_the_last_digits(number in "[0-9]{1,15}|[^*]{1,40}") {
            let masked = mobile(&number);
            let count = number.chars().count();
            let allowed: usize = if count <= 6 { 2 } else { 4 };
            prop_assert!(covers(&masked, &number));
            prop_assert_eq!(shown_positions(&masked), (count.saturating_sub(allowed)..count).collect::<Vec<_>>());
        }

        #[test]
        fn masking_a_mask_changes_nothing(text: String, address in "\\PC{0,12}@\\PC{0,12}(\\.\\PC{0,8}){0,3}") {
            for text in [&text, &address] {
                prop_assert_eq!(email(&email(text)), email(text));
                prop_assert_eq!(mobile(&mobile(text)), mobile(text));
            }
        }
    }
}
