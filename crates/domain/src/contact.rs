//! Contacts: the e-mail addresses and mobile numbers that a user logs in with or receives one-time codes at.
//!
//! A contact prints its mask when it is formatted with `{:?}`, so that no log shows it unmasked.

use std::borrow::Cow;
use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::is_nfkc;

/// The maximum length of an e-mail address, in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const EMAIL_MAX_BYTES: usize = 254;

/// The country code of Brazil, the only region with its own rules.
const BRAZIL: &str = "55";

/// The maximum length of an area code, in digits. Responses show the area code unmasked, so a longer one would reveal
/// part of the number.
const AREA_MAX_DIGITS: usize = 5;

/// The minimum length of a subscriber number, in digits: the mask shows two of four.
const NUMBER_MIN_DIGITS: usize = 4;

/// Area codes (DDD) in use in Brazil (ANATEL, Plano Geral de Códigos Nacionais).
const BRAZIL_AREAS: &[&str] = &[
    "11", "12", "13", "14", "15", "16", "17", "18", "19", "21", "22", "24", "27", "28", "31", "32", "33", "34", "35",
    "37", "38", "41", "42", "43", "44", "45", "46", "47", "48", "49", "51", "53", "54", "55", "61", "62", "63", "64",
    "65", "66", "67", "68", "69", "71", "73", "74", "75", "77", "79", "81", "82", "83", "84", "85", "86", "87", "88",
    "89", "91", "92", "93", "94", "95", "96", "97", "98", "99",
];

/// The contact types of the documented API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContactType {
    /// Receives codes by mail.
    Email,
    /// Receives codes by text message.
    Mobile,
}

impl ContactType {
    /// Returns the value of the member `contactType`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Mobile => "MOBILE",
        }
    }

    /// Parses the member `contactType`, case-sensitively; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "EMAIL" => Some(Self::Email),
            "MOBILE" => Some(Self::Mobile),
            _ => None,
        }
    }
}

/// A text that [`Email::parse`] rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid e-mail address")]
pub struct MalformedEmail;

/// An e-mail address: the local part as given, the domain in lower case and as A-labels (RFC 5890 section 2.3.2.1).
///
/// ```
/// use domain::contact::Email;
///
/// let email = Email::parse("Ana.Souza@BR.Example.COM")?;
/// assert_eq!(email.as_str(), "Ana.Souza@br.example.com");
/// assert_eq!(email.comparison_key(), "ana.souza@br.example.com");
/// assert_eq!(email.masked(), "An*****za@br.e******.com");
/// assert_eq!(Email::parse("ana@münchen.de")?.as_str(), "ana@xn--mnchen-3ya.de");
/// assert!(Email::parse("\"ana\"@example.com").is_err());
/// # Ok::<(), domain::contact::MalformedEmail>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Parses an address of at most 254 bytes with one `@`. Quoting, comments and literals (RFC 5322 section 3.4.1) are
    /// rejected. They allow many spellings of one mailbox, and each spelling would have its own send quota. The domain
    /// becomes A-labels by the mapping of UTS 46, so mail servers without SMTPUTF8 can take it.
    ///
    /// # Errors
    ///
    /// Returns [`MalformedEmail`] for an empty local part or domain label, a second `@`, a control, space or invisible
    /// character, one of `"\()<>[],;:`, a local part that NFKC would change (`ﬁ`, or the Kelvin sign, which looks like
    /// `K`), an internationalized domain that UTS 46 rejects, and an address that is too long before or after its domain
    /// is converted.
    pub fn parse(text: &str) -> Result<Self, MalformedEmail> {
        let (local, domain) = split_address(text)?;
        if !is_nfkc(local) {
            return Err(MalformedEmail);
        }
        let domain = to_ascii_domain(domain).ok_or(MalformedEmail)?;
        let converted = format!("{local}@{domain}");
        if converted.len() > EMAIL_MAX_BYTES {
            Err(MalformedEmail)
        } else {
            Ok(Self(converted))
        }
    }

    /// Reads an address from a store. An address that [`parse`](Self::parse) rejects is kept as it is if an earlier
    /// version accepted it, so that its user stays readable.
    ///
    /// # Errors
    ///
    /// Returns [`MalformedEmail`] for a text that no version accepted.
    pub fn from_stored(text: &str) -> Result<Self, MalformedEmail> {
        match Self::parse(text) {
            Err(_) if split_address(text).is_ok() => Ok(Self(text.to_owned())),
            parsed => parsed,
        }
    }

    /// Returns the address to which mail is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key under which addresses are unique and found at a login: the address with its ASCII letters in
    /// lower case. Other letters keep their case. Unicode's lower case of the Kelvin sign is the ASCII letter `k`, so it
    /// would make two mailboxes one login.
    pub fn comparison_key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Returns the key that all addresses of one mailbox share: the comparison key without a `+tag`. Many mail systems
    /// deliver `ana+bank@example.com` to `ana@example.com` (RFC 5233), so both are one destination.
    pub fn mailbox_key(&self) -> String {
        let key = self.comparison_key();
        let parts = key
            .split_once('@')
            .and_then(|(local, domain)| Some((local.split_once('+')?.0, domain)));
        match parts {
            Some((mailbox, domain)) if !mailbox.is_empty() => format!("{mailbox}@{domain}"),
            _ => key,
        }
    }

    /// Returns the only form that events and logs show; see [`mask::email`](crate::mask::email).
    pub fn masked(&self) -> String {
        crate::mask::email(&self.0)
    }
}

/// The characters that quotes, comments, literals and address lists are written with (RFC 5322 section 3.2.3).
const SPECIALS: &str = r#""\()<>[],;:"#;

/// Returns local part and domain of a text that has the form of an address.
fn split_address(text: &str) -> Result<(&str, &str), MalformedEmail> {
    if text.len() > EMAIL_MAX_BYTES || text.chars().any(|c| is_unprintable(c) || SPECIALS.contains(c)) {
        return Err(MalformedEmail);
    }
    let (local, domain) = text.split_once('@').ok_or(MalformedEmail)?;
    if local.is_empty() || domain.contains('@') || domain.split('.').any(str::is_empty) {
        return Err(MalformedEmail);
    }
    Ok((local, domain))
}

/// Returns the domain in lower case and as A-labels; `None` if UTS 46 rejects it. A domain without internationalized
/// labels need not be a host name: it may have an underscore, for example.
fn to_ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    let is_a_label = |label: &str| label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"));
    if domain.is_ascii() && !domain.split('.').any(is_a_label) {
        return Some(domain.to_ascii_lowercase().into());
    }
    let rules = (AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    let converted = Uts46::new().to_ascii(domain.as_bytes(), rules.0, rules.1, rules.2);
    converted.ok()
}

/// Returns whether the character is a control or white-space character, or a zero-width or bidirectional format
/// character. With these, two different addresses can look alike.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A number that [`Mobile::parse`] rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid mobile number")]
pub struct MalformedMobile;

/// A mobile number in the three parts of the documented API, digits only.
///
/// ```
/// use domain::contact::{ContactValue, Mobile};
///
/// let mobile = Mobile::parse("55", Some("11"), "911112222")?;
/// assert_eq!(mobile.comparison_key(), "5511911112222");
/// assert_eq!(mobile.masked_number(), "*****2222");
/// assert_eq!(ContactValue::Mobile(mobile).masked(), "+55 11 *****2222");
/// assert!(Mobile::parse("55", Some("20"), "911112222").is_err(), "20 is not in use in Brazil");
/// # Ok::<(), domain::contact::MalformedMobile>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Mobile {
    region: String,
    area: Option<String>,
    number: String,
}

impl Mobile {
    /// Parses a number; an empty area code counts as none. Region 55 requires a two-digit area code in use and nine
    /// digits that begin with 9. Any other region code has 1 to 3 digits, and the whole number then has 7 to 15 digits
    /// (ITU-T E.164 section 6): at most five in the area code and at least four in the subscriber number, so that the
    /// mask hides at least two.
    ///
    /// # Errors
    ///
    /// Returns [`MalformedMobile`] for a number that breaks these rules. A number of another region whose digits begin
    /// with 55 is rejected as well: a second spelling of a Brazilian number would evade its rules and its send quota.
    pub fn parse(region: &str, area: Option<&str>, number: &str) -> Result<Self, MalformedMobile> {
        let area = area.filter(|area| !area.is_empty());
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !digits(region) || !digits(number) || !area.is_none_or(digits) || number.is_empty() {
            return Err(MalformedMobile);
        }
        if !(1..=3).contains(&region.len()) || region.starts_with('0') {
            return Err(MalformedMobile);
        }
        let whole = format!("{region}{}{number}", area.unwrap_or_default());
        let is_valid = if whole.starts_with(BRAZIL) && region != BRAZIL {
            false
        } else if region == BRAZIL {
            area.is_some_and(|area| BRAZIL_AREAS.contains(&area)) && number.len() == 9 && number.starts_with('9')
        } else {
            (7..=15).contains(&whole.len())
                && area.map_or(0, str::len) <= AREA_MAX_DIGITS
                && number.len() >= NUMBER_MIN_DIGITS
        };
        if is_valid {
            Ok(Self {
                region: region.to_owned(),
                area: area.map(str::to_owned),
                number: number.to_owned(),
            })
        } else {
            Err(MalformedMobile)
        }
    }

    /// Returns the country code (`regionCode`), without a plus sign.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the area code (`areaCode`); `None` where the caller gave none.
    pub fn area(&self) -> Option<&str> {
        self.area.as_deref()
    }

    /// Returns the unmasked subscriber number (`phoneNumber`).
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Returns the key under which numbers are unique and found at a login: all digits, E.164 without the plus sign.
    pub fn comparison_key(&self) -> String {
        format!("{}{}{}", self.region, self.area.as_deref().unwrap_or(""), self.number)
    }

    /// Returns the subscriber number with all but its last digits hidden. Responses show region and area code unmasked.
    pub fn masked_number(&self) -> String {
        crate::mask::mobile(&self.number)
    }
}

/// The value of a contact of either type.
#[derive(Clone, PartialEq, Eq)]
pub enum ContactValue {
    /// The value of a contact of type `EMAIL`.
    Email(Email),
    /// The value of a contact of type `MOBILE`.
    Mobile(Mobile),
}

impl ContactValue {
    /// Returns the contact type that the value belongs to.
    pub fn contact_type(&self) -> ContactType {
        match self {
            Self::Email(_) => ContactType::Email,
            Self::Mobile(_) => ContactType::Mobile,
        }
    }

    /// Returns the key that all spellings of one contact share. Keys of the two types differ, because only an address
    /// has an `@`.
    pub fn comparison_key(&self) -> String {
        match self {
            Self::Email(email) => email.comparison_key(),
            Self::Mobile(mobile) => mobile.comparison_key(),
        }
    }

    /// Returns the key that all contacts share whose messages reach the same mailbox or telephone.
    pub fn destination_key(&self) -> String {
        match self {
            Self::Email(email) => email.mailbox_key(),
            Self::Mobile(mobile) => mobile.comparison_key(),
        }
    }

    /// Returns the one-line masked form that events and the operator's lists show.
    pub fn masked(&self) -> String {
        match self {
            Self::Email(email) => email.masked(),
            Self::Mobile(mobile) => format!(
                "+{} {} {}",
                mobile.region(),
                mobile.area().unwrap_or(""),
                mobile.masked_number()
            )
            .replace("  ", " "),
        }
    }
}

macro_rules! debug_prints_the_mask {
    ($($name:ty => $mask:expr),+ $(,)?) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mask: fn(&Self) -> String = $mask;
                f.write_str(&mask(self))
            }
        })+
    };
}

debug_prints_the_mask!(Email => Email::masked, Mobile => Mobile::masked_number, ContactValue => ContactValue::masked);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_lowers_the_domain_and_keeps_the_local_part() {
        let email = Email::parse("Ana.Souza@BR.Example.COM").unwrap();
        assert_eq!(email.as_str(), "Ana.Souza@br.example.com");
        assert_eq!(email.comparison_key(), "ana.souza@br.example.com");
    }

    #[test]
    fn parse_rejects_malformed_addresses() {
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "nope",
            "@example.com",
            "a@",
            "a@@b",
            "a@b@c",
            "a b@c.com",
            "a@b c",
            "a@b..c",
            "a@.b",
            "a\u{0}@b",
            "a\u{202e}@b.com",
            "\"a\"@b.com",
            "\\a@b.com",
            "a,b@c.com",
            "<a@b.com>",
            "a(me)@b.com",
            "a@[127.0.0.1]",
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_that_differ_in_their_tag_share_a_mailbox() {
        let mailbox = |address: &str| Email::parse(address).unwrap().mailbox_key();
        for address in [
            "ana@example.com",
            "Ana+1@example.com",
            "ana+@EXAMPLE.com",
            "ana+a+b@example.com",
        ] {
            assert_eq!(mailbox(address), "ana@example.com", "{address}");
        }
        assert_eq!(mailbox("+ana@example.com"), "+ana@example.com");
        assert_ne!(mailbox("ana@example.com"), mailbox("ana+1@example.org"));
    }

    #[test]
    fn brazilian_numbers_need_a_used_area_and_nine_digits() {
        assert!(Mobile::parse("55", Some("11"), "911112222").is_ok());
        for (area, number) in [
            (None, "911112222"),
            (Some("20"), "911112222"),
            (Some("11"), "811112222"),
            (Some("11"), "91111222"),
            (Some(""), "911112222"),
        ] {
            assert!(Mobile::parse("55", area, number).is_err(), "{area:?} {number}");
        }
    }

    #[test]
    fn other_regions_follow_e164() {
        assert!(Mobile::parse("1", Some("212"), "5550100").is_ok());
        assert!(Mobile::parse("351", None, "912345678").is_ok());
        for (region, area, number) in [
            ("1", None, "12345"),
            ("0", None, "1234567"),
            ("1", Some("2125550"), "10"),
            ("1", Some("212555"), "0100"),
            ("", None, "1234567"),
            ("44", None, "12345678901234"),
            ("5", Some("50"), "11933332222"),
            ("550", Some("11"), "933332222"),
            ("5", None, "5119333322"),
            ("44", None, "+447911123456"),
            ("44", None, "1.5e9"),
            ("٤٤", None, "7911123456"),
        ] {
            assert!(Mobile::parse(region, area, number).is_err(), "{region} {number}");
        }
    }

    #[test]
    fn parse_rejects_a_mebibyte() {
        let long = "9".repeat(1 << 20);
        assert!(Email::parse(&format!("{long}@example.com")).is_err());
        assert!(Email::parse(&format!("a@{}b", "x.".repeat(1 << 19))).is_err());
        for (region, area, number) in [
            (&*long, "11", "911112222"),
            ("55", &*long, "911112222"),
            ("55", "11", &*long),
        ] {
            assert!(Mobile::parse(region, Some(area), number).is_err());
        }
    }

    #[test]
    fn parse_rejects_an_address_that_its_a_labels_make_too_long() {
        let address = |local: usize| format!("{}@münchen.de", "a".repeat(local));
        let longest = Email::parse(&address(236)).unwrap();
        assert_eq!(longest.as_str().len(), EMAIL_MAX_BYTES);
        assert!(address(237).len() < EMAIL_MAX_BYTES && Email::parse(&address(237)).is_err());
    }

    #[test]
    fn an_internationalized_domain_is_kept_as_a_labels() {
        for (address, kept) in [
            ("ana@münchen.de", "ana@xn--mnchen-3ya.de"),
            ("ana@MÜNCHEN.DE", "ana@xn--mnchen-3ya.de"),
            ("ana@mu\u{308}nchen.de", "ana@xn--mnchen-3ya.de"),
            ("ana@XN--Mnchen-3ya.de", "ana@xn--mnchen-3ya.de"),
            ("ana@exemplo\u{3002}com\u{ff0e}br", "ana@exemplo.com.br"),
            ("ana@\u{212a}ite.example", "ana@kite.example"),
            ("ana@faß.de", "ana@xn--fa-hia.de"),
            ("josé@são.example", "josé@xn--so-sia.example"),
        ] {
            let email = Email::parse(address).unwrap();
            assert_eq!(email.as_str(), kept, "{address}");
        }
        for bad in [
            "ana@xn--zzzzzzzzzzzz99.de",
            "ana@xn--a.de",
            "ana@münchen_de.de",
            "ana@-ü.de",
            "ana@ü.\u{3002}de",
            "ana@ü\u{ff20}b.de",
            "ana@\u{2100}.de",
            &format!("ana@{}.de", "ü".repeat(64)),
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_ascii_domain_changes_only_its_case() {
        for domain in ["localhost", "a_b.example.com", "-a.b", "127.0.0.1", "r3---sn-x.example"] {
            let address = format!("Ana@{domain}");
            assert_eq!(Email::parse(&address).unwrap().as_str(), address);
            let email = Email::parse(&address.to_ascii_uppercase()).unwrap();
            assert_eq!(email.as_str(), format!("ANA@{domain}"));
        }
    }

    #[test]
    fn only_ascii_letters_are_compared_without_case() {
        let key = |address: &str| Email::parse(address).unwrap().comparison_key();
        assert_eq!(key("JOSE@Example.com"), key("jose@example.com"));
        assert_ne!(key("JOSÉ@example.com"), key("josé@example.com"));
        assert_eq!(key("JOSÉ@example.com"), "josÉ@example.com");
    }

    #[test]
    fn parse_rejects_a_local_part_that_nfkc_changes() {
        for local in ["\u{212a}.victim", "\u{fb01}m", "ａna", "jose\u{301}", "x\u{b2}"] {
            assert!(Email::parse(&format!("{local}@example.com")).is_err(), "{local}");
        }
        assert!(Email::parse("josé@example.com").is_ok());
    }

    #[test]
    fn stored_addresses_of_an_earlier_version_stay_readable() {
        for (stored, read) in [
            ("Ana@example.com", "Ana@example.com"),
            ("josé@münchen.de", "josé@xn--mnchen-3ya.de"),
            ("\u{212a}@example.com", "\u{212a}@example.com"),
            ("ana@xn--a.de", "ana@xn--a.de"),
        ] {
            assert_eq!(Email::from_stored(stored).unwrap().as_str(), read);
        }
        assert!(Email::from_stored("a@b@c").is_err());
    }

    /// Generates text of any alphabet that often is an address.
    fn nearly_an_address() -> impl Strategy<Value = String> {
        let plain = "[\\S&&\\PC&&[^@.]]";
        let address = format!("{plain}{{1,70}}@{plain}{{1,20}}(\\.{plain}{{1,20}}){{0,3}}");
        prop_oneof![
            1 => "\\PC{0,300}",
            1 => "[^@]{0,20}@[^@]{0,20}",
            3 => prop::string::string_regex(&address).unwrap(),
        ]
    }

    fn nearly_a_number() -> impl Strategy<Value = (String, Option<String>, String)> {
        let area = prop::option::weighted(0.9, "[1-9][1-9]");
        let brazilian = (Just("55".to_owned()), area, "9[0-9]{8}");
        let other = ("[1-9][0-9]{0,2}", prop::option::of("[0-9]{0,6}"), "[0-9]{3,14}");
        let any_text = ("\\PC{0,4}", prop::option::of("\\PC{0,4}"), "[\\PC0-9]{0,20}");
        prop_oneof![brazilian, other, any_text]
    }

    proptest! {
        #[test]
        fn a_parsed_address_parses_to_itself(text in nearly_an_address()) {
            if let Ok(email) = Email::parse(&text) {
                let printed = email.as_str();
                prop_assert_eq!(Email::parse(printed), Ok(email.clone()));
                prop_assert!(printed.len() <= EMAIL_MAX_BYTES);
                prop_assert_eq!(printed.matches('@').count(), 1);
                prop_assert!(!printed.contains(is_unprintable));
                prop_assert_eq!(text.split_once('@').unwrap().0, printed.split_once('@').unwrap().0);
                prop_assert!(printed.split_once('@').unwrap().1.is_ascii());
                prop_assert_eq!(Email::from_stored(printed), Ok(email.clone()));
                prop_assert_eq!(format!("{email:?}"), email.masked());
                prop_assert_eq!(format!("{:?}", ContactValue::Email(email.clone())), email.masked());
            }
        }

        #[test]
        fn comparison_keys_ignore_case(
            address in "[a-z0-9.+_-]{1,20}@[a-z0-9]{1,9}\\.[a-zA-Z]{2,9}",
            upper: u64,
        ) {
            let spelled = |(at, c): (usize, char)| if upper >> at & 1 == 1 { c.to_ascii_uppercase() } else { c };
            let other: String = address.char_indices().map(spelled).collect();
            let key = |text: &str| Email::parse(text).unwrap().comparison_key();
            prop_assert_eq!(key(&address), key(&other));
            prop_assert_ne!(key(&address), key(&format!("a{other}")));
        }

        #[test]
        fn a_parsed_number_parses_to_itself((region, area, number) in nearly_a_number()) {
            if let Ok(mobile) = Mobile::parse(&region, area.as_deref(), &number) {
                let again = Mobile::parse(mobile.region(), mobile.area(), mobile.number());
                prop_assert_eq!(again, Ok(mobile.clone()));
                let key = mobile.comparison_key();
                prop_assert!((7..=15).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_digit()));
                let masked = mobile.masked_number();
                let hidden = masked.matches('*').count();
                prop_assert!(hidden >= 2, "{masked}");
                prop_assert_eq!(&format!("{mobile:?}"), &masked);
                let printed = format!("{:?}", ContactValue::Mobile(mobile));
                prop_assert_eq!(printed.matches('*').count(), hidden);
                prop_assert!(printed.ends_with(&masked));
            }
        }
    }
}
