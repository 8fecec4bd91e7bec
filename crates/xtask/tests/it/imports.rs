//! The imports that each crate may have. Imports point inwards.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::assert_no_violations;
use crate::checkout::{Member, crate_folders, display_path, members, modules_in, read, root, rust_files_under, stem};
use crate::source::{passes_through, production_lines, test_only_files};

pub(crate) const CONTEXTS: [&str; 4] = ["credential_lock", "directory", "factors", "tokens"];

/// The root modules that list one item of each context and have no rule of their own.
const LISTS_OF_CONTEXTS: [&str; 4] = [
    "crates/domain/src/lib.rs",
    "crates/ports/src/lib.rs",
    "crates/ports/src/stores.rs",
    "crates/use-cases/src/lib.rs",
];

/// The libraries from crates.io that the inner layers and adapter-http may use.
const ALLOWED_LIBRARIES: [(&str, &[&str]); 4] = [
    (
        "domain",
        &[
            "idna",
            "jiff",
            "subtle",
            "thiserror",
            "unicode-normalization",
            "zeroize",
        ],
    ),
    ("ports", &["async-trait", "jiff", "thiserror"]),
    ("use-cases", &["futures-util", "jiff", "thiserror", "tracing"]),
    (
        "adapter-http",
        &[
            "actix-http",
            "actix-service",
            "actix-web",
            "base64",
            "bytes",
            "futures-util",
            "governor",
            "ipnet",
            "jiff",
            "moka",
            "schemars",
            "scalar_api_reference",
            "serde",
            "serde_json",
            "serde_path_to_error",
            "serde_urlencoded",
            "tokio",
            "tracing",
            "utoipa",
        ],
    ),
];

/// The additional libraries that tests of the innermost layers may use. Tests of other crates may use any library.
const INNERMOST_DEV_DEPENDENCIES: [&str; 2] = ["insta", "proptest"];

/// A technology and the only crate that may import it. deny.toml repeats this for the whole dependency tree.
const TECHNOLOGIES: [(&str, &str); 6] = [
    ("aws-lc-rs", "adapter-crypto"),
    ("jsonwebtoken", "adapter-crypto"),
    ("lettre", "adapter-delivery"),
    ("mongodb", "adapter-mongodb"),
    ("rdkafka", "adapter-kafka"),
    ("rusqlite", "adapter-sqlite"),
];

/// Returns whether `member` may import the crate `candidate` of the workspace in production. Returns `None` if this
/// table does not list `member`.
fn may_import(member: &str, candidate: &str) -> Option<bool> {
    let is_inside = matches!(candidate, "domain" | "ports");
    let is_tooling = matches!(candidate, "test-support" | "test-servers");
    let allowed = match member {
        "domain" | "test-servers" | "xtask" => false,
        "ports" => candidate == "domain",
        "use-cases" | "stored-forms" => is_inside,
        "port-contracts" | "adapter-sqlite" | "adapter-mongodb" => is_inside || candidate == "stored-forms",
        "adapter-http" | "service-runtime" => is_inside || candidate == "use-cases",
        "bench" | "trials" => is_tooling,
        // It reads the types of events, and Kafka by the only crate that imports its client.
        "end-to-end" => is_tooling || matches!(candidate, "domain" | "adapter-kafka"),
        "test-support" => !matches!(candidate, "authme" | "end-to-end" | "xtask") && !candidate.starts_with("service-"),
        adapter if adapter.starts_with("adapter-") => is_inside,
        binary if binary == "authme" || binary.starts_with("service-") => {
            let is_assembly = candidate == "service-assembly" && binary != "service-assembly";
            is_inside
                || is_assembly
                || matches!(candidate, "use-cases" | "stored-forms" | "service-runtime")
                || candidate.starts_with("adapter-")
        }
        _ => return None,
    };
    Some(allowed)
}

fn is_innermost(member: &Member) -> bool {
    matches!(member.name.as_str(), "domain" | "ports")
}

#[test]
fn every_crate_is_in_the_table_of_imports() {
    let missing: Vec<_> = members()
        .into_iter()
        .map(|member| member.name)
        .filter(|name| may_import(name, "domain").is_none())
        .collect();
    assert_no_violations(
        "State in crates/xtask/tests/it/imports.rs and docs/ARCHITECTURE.md what this crate may import:",
        &missing,
    );
}

#[test]
fn imports_point_inwards() {
    let mut violations = Vec::new();
    for member in members() {
        for dependency in &member.dependencies {
            let is_checked = is_innermost(&member) || !dependency.is_for_tests();
            if is_checked && dependency.is_member() && may_import(&member.name, &dependency.name) == Some(false) {
                violations.push(format!("{} imports {}", member.name, dependency.name));
            }
        }
    }
    assert_no_violations(
        "An inner layer never imports an outer one. Declare a trait in `ports`, implement it in an adapter, and connect the two \
         where the process is assembled (`authme`, `service-*`):",
        &violations,
    );
}

#[test]
fn adapters_do_not_import_each_other() {
    let mut violations = Vec::new();
    for member in members().iter().filter(|member| member.name.starts_with("adapter-")) {
        for dependency in &member.dependencies {
            if dependency.name.starts_with("adapter-") && !dependency.is_for_tests() {
                violations.push(format!("{} imports {}", member.name, dependency.name));
            }
        }
    }
    assert_no_violations(
        "Two adapters share only rules (`domain`), ports (`ports`) or sequences of steps (`use-cases`). Take the other adapter \
         as an `Arc<dyn …>` of its port:",
        &violations,
    );
}

#[test]
fn inner_layers_use_only_allowed_libraries() {
    let mut violations = Vec::new();
    for member in members() {
        let Some((_, allowed)) = ALLOWED_LIBRARIES.iter().find(|(name, _)| *name == member.name) else {
            continue;
        };
        for dependency in member.dependencies.iter().filter(|dependency| !dependency.is_member()) {
            let name = dependency.name.as_str();
            let is_test_library =
                dependency.is_for_tests() && (!is_innermost(&member) || INNERMOST_DEV_DEPENDENCIES.contains(&name));
            if !is_test_library && !allowed.contains(&name) {
                violations.push(format!("{} imports {name}", member.name));
            }
        }
    }
    assert_no_violations(
        "Libraries belong in adapters. Put a port in between; or, if the library is as harmless as the allowed ones and the \
         reviewer agrees, add it to ALLOWED_LIBRARIES in crates/xtask/tests/it/imports.rs:",
        &violations,
    );
}

#[test]
fn each_technology_is_imported_by_one_crate() {
    let mut violations = Vec::new();
    for member in members() {
        for dependency in &member.dependencies {
            let home = TECHNOLOGIES
                .iter()
                .find(|(technology, _)| *technology == dependency.name);
            if let Some((technology, home)) = home
                && *home != member.name
            {
                violations.push(format!("{} imports {technology}, which belongs to {home}", member.name));
            }
        }
    }
    assert_no_violations(
        "Use the port that the adapter of the technology implements, also in tests; extend the port if it lacks something:",
        &violations,
    );
}

#[test]
fn contexts_do_not_import_each_other() {
    let mut violations = Vec::new();
    for folder in crate_folders() {
        if stem(&folder) == "port-contracts" {
            continue;
        }
        for context in CONTEXTS {
            let files = files_of_context(&folder.join("src"), context);
            let others: Vec<_> = CONTEXTS.into_iter().filter(|other| *other != context).collect();
            violations.extend(lines_that_name(&others, &files));
        }
    }
    assert_no_violations(
        "A context does not import another. Move what both need to the root of the layer, declare a port in the context that \
         needs it, or consume the events of the other:",
        &violations,
    );
}

#[test]
fn root_modules_import_no_context() {
    let mut violations = Vec::new();
    for layer in ["domain", "ports", "use-cases"] {
        let src = root().join("crates").join(layer).join("src");
        let contexts: Vec<_> = CONTEXTS
            .iter()
            .flat_map(|context| files_of_context(&src, context))
            .collect();
        let lists = LISTS_OF_CONTEXTS.map(|list| root().join(list));
        let mut files = rust_files_under(&src);
        files.retain(|file| !contexts.contains(file) && !lists.contains(file));
        violations.extend(lines_that_name(&CONTEXTS, &files));
    }
    assert_no_violations(
        "Every context may use a root module, so a root module imports no context. Move what it needs to the root, or the \
         module to the context:",
        &violations,
    );
}

fn files_of_context(src: &Path, context: &str) -> Vec<PathBuf> {
    let mut files = rust_files_under(&src.join(context));
    files.extend(Some(src.join(format!("{context}.rs"))).filter(|file| file.exists()));
    files
}

/// Returns the production lines of the files that name one of the contexts.
fn lines_that_name(contexts: &[&str], files: &[PathBuf]) -> Vec<String> {
    let tests = test_only_files(files);
    let mut lines = Vec::new();
    for file in files
        .iter()
        .filter(|file| !tests.iter().any(|test| file.starts_with(test)))
    {
        let source = read(file);
        for (at, line) in production_lines(&source).enumerate() {
            if !line.trim_start().starts_with("//") && contexts.iter().any(|context| passes_through(line, context)) {
                lines.push(format!("{}:{}: {}", display_path(file), at + 1, line.trim()));
            }
        }
    }
    lines
}

/// Returns the names in the first list of contexts of a file.
fn listed_contexts(file: &Path, marker: &str) -> BTreeSet<String> {
    let source = read(file);
    let list = source.split_once(marker).and_then(|(_, list)| list.split_once(']'));
    let (list, _) = list.unwrap_or_else(|| panic!("{} has no list `{marker}`", display_path(file)));
    let names = list
        .split(',')
        .map(|name| name.trim().trim_start_matches('&').to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_services_together_serve_the_contexts_of_authme() {
    let all = root().join("crates/service-assembly/src/contexts/mod.rs");
    let mut expected = listed_contexts(&all, "pub const CONTEXTS: &[&Context] = &[");
    // The services publish to Kafka; the embedded event log is for a process without it.
    assert!(expected.remove("EVENTS"), "{expected:?}");
    let services = ["factors", "tokens", "credential-lock"];
    let mains = services.map(|service| root().join(format!("crates/service-{service}/src/main.rs")));
    let served: Vec<_> = mains
        .iter()
        .flat_map(|main| listed_contexts(main, "contexts: &["))
        .collect();
    let distinct: BTreeSet<_> = served.iter().cloned().collect();
    assert_eq!(distinct, expected, "name every context in the `main.rs` of one service");
    assert_eq!(
        served.len(),
        distinct.len(),
        "two services serve the same context: {served:?}"
    );
}

#[test]
fn layers_have_a_module_per_context() {
    let mut missing = Vec::new();
    // A context whose stores all keep aggregates with rules has no ports of its own.
    for layer in ["domain", "use-cases", "adapter-http"] {
        for context in CONTEXTS {
            let folder = root().join("crates").join(layer).join("src").join(context);
            if modules_in(&folder).is_empty() {
                missing.push(display_path(&folder));
            }
        }
    }
    assert_no_violations(
        "A context is a folder of the same name in `domain`, `use-cases` and `adapter-http`. Add the modules of:",
        &missing,
    );
}

/// The mint gate gets the signer where sessions are assembled; no other module names it.
#[test]
fn only_the_mint_gate_has_the_signer() {
    let folder = root().join("crates/use-cases/src");
    let allowed = ["sessions/mint_gate.rs", "sessions/mod.rs"].map(|file| folder.join(file));
    let violations: Vec<String> = rust_files_under(&folder)
        .into_iter()
        .filter(|file| !allowed.contains(file) && read(file).contains("TokenSigner"))
        .map(|file| display_path(&file))
        .collect();
    assert_no_violations(
        "Mint through MintGate::mint, which checks the credential before it signs:",
        &violations,
    );
}
