//! Tags as a JSON array, and as a string that may contain one.
#![no_main]

use libfuzzer_sys::fuzz_target;

fn tags(json: &str) -> Option<Vec<String>> {
    let body = format!(r#"{{"id":"a","contactType":"EMAIL","tags":{json}}}"#);
    authme_fuzz::parse_contact(&body).map(|draft| draft.tags)
}

fuzz_target!(|text: &str| {
    let array = serde_json::from_str::<Vec<String>>(text).ok();
    let quoted = serde_json::to_string(text).expect("text is JSON");
    let from_string = tags(&quoted).expect("every string is accepted");
    assert_eq!(from_string, array.clone().unwrap_or_else(|| vec![String::new()]));
    if let Some(array) = array {
        assert_eq!(tags(text), Some(array));
    } else {
        // Text such as `1}` closes the object early, so any result is right.
        let _no_panic = tags(text);
    }
});
