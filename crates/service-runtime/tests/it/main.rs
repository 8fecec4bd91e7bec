//! What is said of settings outside of this crate.
#![expect(
    clippy::unwrap_used,
    reason = "a file that is not there fails the test that wanted it"
)]

use std::path::{Path, PathBuf};

use service_runtime::{metrics_table, settings_table};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn defaults() -> Vec<String> {
    let defaults = ["tokens", "factors", "credential-lock"]
        .map(|service| root().join(format!("crates/service-{service}/config.default.toml")))
        .map(|file| std::fs::read_to_string(file).unwrap());
    defaults.into()
}

/// What the operator's page shows between the marks of `name`.
fn shown(name: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, rest) = page.split_once(&format!("<!-- {name}:begin -->\n")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- {name}:end -->")).unwrap();
    table.to_owned()
}

#[test]
fn the_operators_page_shows_the_settings_and_the_metrics_there_are() {
    let defaults = defaults();
    let defaults: Vec<&str> = defaults.iter().map(String::as_str).collect();
    for (name, table) in [
        ("settings", settings_table(&defaults).unwrap()),
        ("metrics", metrics_table()),
    ] {
        assert!(
            shown(name) == table,
            "docs/operations.md does not show the {name} as they are. Write its tables anew:\n  \
             cargo run -p service-runtime --example operations_tables\nand look at the difference before you commit it."
        );
    }
}

#[test]
fn a_default_is_the_same_in_every_service() {
    let defaults = defaults();
    let mut texts: Vec<&str> = defaults.iter().map(String::as_str).collect();
    let table = settings_table(&texts).unwrap();
    texts.rotate_left(1);
    assert_eq!(settings_table(&texts).unwrap(), table);
    texts.rotate_left(1);
    assert_eq!(settings_table(&texts).unwrap(), table);
}
