use std::path::{Path, PathBuf};

use service_assembly::deployed_settings::services;
use service_runtime::{metrics_table, settings_table};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
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
    for (name, table) in [("settings", settings_table(&services())), ("metrics", metrics_table())] {
        assert!(
            documented_table(name) == table,
            "the table of {name} in docs/operations.md is out of date. Regenerate it with\n  \
             cargo run -p service-assembly --example operations_tables\nand review the difference before you commit it."
        );
    }
}
