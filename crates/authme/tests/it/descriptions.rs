//! The committed API descriptions equal the output of `authme openapi`.

use std::path::{Path, PathBuf};

use crate::operator::Operator;

fn committed_path(context: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/api/{context}.json"))
}

#[test]
fn docs_api_equals_the_printed_descriptions() {
    let operator = Operator::new();
    for context in ["factors", "tokens", "directory", "credential-lock"] {
        let printed = operator.run_ok(&["openapi", context]).stdout;
        let committed = std::fs::read_to_string(committed_path(context)).unwrap_or_default();
        assert!(
            committed == printed,
            "docs/api/{context}.json is out of date. Regenerate it with\n  \
             cargo run -- openapi {context} > docs/api/{context}.json\nand review the difference before you commit it."
        );
    }
}

#[test]
fn an_unknown_context_is_a_usage_error() {
    let done = Operator::new().run(&["openapi", "everything"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
}
