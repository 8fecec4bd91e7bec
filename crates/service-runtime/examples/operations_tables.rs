//! Writes the tables of settings and of metrics in `docs/operations.md` anew.

use std::error::Error;
use std::fs;
use std::path::Path;

use service_runtime::{metrics_table, settings_table};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut defaults = Vec::new();
    for service in ["tokens", "factors", "credential-lock"] {
        let file = root.join(format!("crates/service-{service}/config.default.toml"));
        defaults.push(fs::read_to_string(file)?);
    }
    let defaults: Vec<&str> = defaults.iter().map(String::as_str).collect();
    let page = root.join("docs/operations.md");
    let text = fs::read_to_string(&page)?;
    let text = with_table(&text, "settings", &settings_table(&defaults)?)?;
    fs::write(page, with_table(&text, "metrics", &metrics_table())?)?;
    Ok(())
}

/// The page with another table between the marks of `name`.
fn with_table(page: &str, name: &str, table: &str) -> Result<String, Box<dyn Error>> {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = page.split_once(&begin).ok_or("a mark is missing")?;
    let (_, after) = rest.split_once(&end).ok_or("a mark is missing")?;
    Ok(format!("{before}{begin}{table}{end}{after}"))
}
