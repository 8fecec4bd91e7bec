//! Regenerates the tables of settings and metrics in `docs/operations.md`.

use std::error::Error;
use std::fs;
use std::path::Path;

use service_assembly::deployed_settings::services;
use service_runtime::{metrics_table, settings_table};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = root.join("docs/operations.md");
    let text = fs::read_to_string(&page)?;
    let text = replace_table(&text, "settings", &settings_table(&services()))?;
    fs::write(page, replace_table(&text, "metrics", &metrics_table())?)?;
    Ok(())
}

/// Returns the page with the table between the markers of `name` replaced.
fn replace_table(page: &str, name: &str, table: &str) -> Result<String, Box<dyn Error>> {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = page.split_once(&begin).ok_or("a marker is missing")?;
    let (_, after) = rest.split_once(&end).ok_or("a marker is missing")?;
    Ok(format!("{before}{begin}{table}{end}{after}"))
}
