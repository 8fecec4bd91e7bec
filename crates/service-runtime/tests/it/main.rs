//! Compares the settings and metrics with `docs/operations.md` and with the services' defaults.
#![expect(clippy::unwrap_used, reason = "a missing file fails the test")]

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

/// Returns the table between the markers of `name` in `docs/operations.md`.
fn documented_table(name: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, rest) = page.split_once(&format!("<!-- {name}:begin -->\n")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- {name}:end -->")).unwrap();
    table.to_owned()
}

#[test]
fn operations_page_has_the_current_tables() {
    let defaults = defaults();
    let defaults: Vec<&str> = defaults.iter().map(String::as_str).collect();
    for (name, table) in [
        ("settings", settings_table(&defaults).unwrap()),
        ("metrics", metrics_table()),
    ] {
        assert!(
            documented_table(name) == table,
            "the table of {name} in docs/operations.md is out of date. Regenerate it with\n  \
             cargo run -p service-runtime --example operations_tables\nand review the difference before you commit it."
        );
    }
}

#[test]
fn defaults_agree_between_services() {
    let defaults = defaults();
    let mut texts: Vec<&str> = defaults.iter().map(String::as_str).collect();
    let table = settings_table(&texts).unwrap();
    texts.rotate_left(1);
    assert_eq!(settings_table(&texts).unwrap(), table);
    texts.rotate_left(1);
    assert_eq!(settings_table(&texts).unwrap(), table);
}
