//! Tags as JSON, and as a string that may hold JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fn tags(json: &str) -> Option<Vec<String>> {
    let body = format!(r#"{{"id":"a","contactType":"EMAIL","tags":{json}}}"#);
    authme_fuzz::added(&body).map(|draft| draft.tags)
}

fuzz_target!(|text: &str| {
    let array = serde_json::from_str::<Vec<String>>(text).ok();
    let in_a_string = serde_json::to_string(text).expect("text is JSON");
    let held = tags(&in_a_string).expect("every string is read");
    assert_eq!(held, array.clone().unwrap_or_else(|| vec![String::new()]));
    if let Some(array) = array {
        assert_eq!(tags(text), Some(array));
    } else {
        // What closes the member early makes another body of it.
        let _read_or_refused = tags(text);
    }
});
