//! Who may import whom. Imports point inwards.

use std::path::Path;

use crate::checkout::{Member, crate_folders, members, modules_in, read, root, rust_files_under, shown, stem};
use crate::none_break;
use crate::source::{passes_through, production, test_only};

pub(crate) const CONTEXTS: [&str; 3] = ["credential_lock", "factors", "tokens"];

/// What the inside may take from crates.io, and the one adapter whose list is closed.
const OUTSIDE: [(&str, &[&str]); 4] = [
    ("domain", &["jiff", "subtle", "thiserror", "zeroize"]),
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

/// What tests of the innermost layers may take besides; all other crates test with what they like.
const INNERMOST_TESTS: [&str; 2] = ["insta", "proptest"];

/// A technology and the one crate that names it. deny.toml says it again for the whole tree.
const TECHNOLOGIES: [(&str, &str); 6] = [
    ("aws-lc-rs", "adapter-crypto"),
    ("jsonwebtoken", "adapter-crypto"),
    ("lettre", "adapter-delivery"),
    ("mongodb", "adapter-mongodb"),
    ("rdkafka", "adapter-kafka"),
    ("rusqlite", "adapter-sqlite"),
];

/// The crates of ours that `member` may name in production; `None` for one that the architecture does not know.
fn may_import(member: &str, candidate: &str) -> Option<bool> {
    let inside = matches!(candidate, "domain" | "ports");
    let allowed = match member {
        "domain" | "mongodb-proxy" | "xtask" => false,
        "ports" => candidate == "domain",
        "use-cases" | "port-contracts" => inside,
        "adapter-http" | "service-runtime" => inside || candidate == "use-cases",
        "end-to-end" => inside || matches!(candidate, "adapter-kafka" | "adapter-mongodb" | "mongodb-proxy"),
        "authme-sdk" => inside || matches!(candidate, "adapter-crypto" | "adapter-kafka"),
        adapter if adapter.starts_with("adapter-") => inside,
        binary if binary == "authme" || binary.starts_with("service-") => {
            let assembled = candidate == "service-assembly" && !matches!(binary, "authme" | "service-assembly");
            inside
                || assembled
                || matches!(candidate, "use-cases" | "service-runtime")
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
fn every_crate_has_its_place_in_the_table() {
    let strangers: Vec<_> = members()
        .into_iter()
        .map(|member| member.name)
        .filter(|name| may_import(name, "domain").is_none())
        .collect();
    none_break(
        "Say in crates/xtask/tests/it/imports.rs and docs/ARCHITECTURE.md what this crate may import:",
        &strangers,
    );
}

#[test]
fn imports_point_inwards() {
    let mut offenders = Vec::new();
    for member in members() {
        for dependency in &member.dependencies {
            let counts = is_innermost(&member) || !dependency.is_for_tests();
            if counts && dependency.is_ours() && may_import(&member.name, &dependency.name) == Some(false) {
                offenders.push(format!("{} imports {}", member.name, dependency.name));
            }
        }
    }
    none_break(
        "An inner layer never names an outer one. Declare a trait in `ports` for what is needed, implement it in an \
         adapter, and join the two where the process is wired (`authme`, `service-*`):",
        &offenders,
    );
}

#[test]
fn adapters_never_see_each_other() {
    let mut offenders = Vec::new();
    for member in members().iter().filter(|member| member.name.starts_with("adapter-")) {
        for dependency in &member.dependencies {
            if dependency.name.starts_with("adapter-") && !dependency.is_for_tests() {
                offenders.push(format!("{} imports {}", member.name, dependency.name));
            }
        }
    }
    none_break(
        "What two adapters share is a rule (`domain`), a port (`ports`) or an order of steps (`use-cases`). Hold the \
         other one as `Arc<dyn …>` of its port:",
        &offenders,
    );
}

#[test]
fn the_inside_takes_little_from_outside() {
    let mut offenders = Vec::new();
    for member in members() {
        let Some((_, allowed)) = OUTSIDE.iter().find(|(name, _)| *name == member.name) else {
            continue;
        };
        for dependency in member.dependencies.iter().filter(|dependency| !dependency.is_ours()) {
            let name = dependency.name.as_str();
            let free = dependency.is_for_tests() && (!is_innermost(&member) || INNERMOST_TESTS.contains(&name));
            if !free && !allowed.contains(&name) {
                offenders.push(format!("{} names {name}", member.name));
            }
        }
    }
    none_break(
        "Libraries belong into adapters: put a port between, or, if the library is as harmless as those allowed, add it \
         to OUTSIDE in crates/xtask/tests/it/imports.rs with the reviewer's consent:",
        &offenders,
    );
}

#[test]
fn a_technology_is_named_by_one_crate() {
    let mut offenders = Vec::new();
    for member in members() {
        for dependency in &member.dependencies {
            let home = TECHNOLOGIES
                .iter()
                .find(|(technology, _)| *technology == dependency.name);
            if let Some((technology, home)) = home
                && *home != member.name
            {
                offenders.push(format!("{} names {technology}, which is {home}'s", member.name));
            }
        }
    }
    none_break(
        "Ask the port that the technology's adapter serves, in tests as well; extend the port when it cannot answer:",
        &offenders,
    );
}

#[test]
fn contexts_meet_only_at_the_root() {
    let mut offenders = Vec::new();
    for folder in crate_folders() {
        if stem(&folder) == "port-contracts" {
            continue;
        }
        for context in CONTEXTS {
            let src = folder.join("src");
            let mut files = rust_files_under(&src.join(context));
            files.extend(Some(src.join(format!("{context}.rs"))).filter(|file| file.exists()));
            let tests = test_only(&files);
            for file in files
                .iter()
                .filter(|file| !tests.iter().any(|test| file.starts_with(test)))
            {
                offenders.extend(strayings(file, context));
            }
        }
    }
    none_break(
        "A context does not reach into another. Move what both need to the root of the layer, ask through a port that \
         the asking context owns, or follow the other's events:",
        &offenders,
    );
}

/// The production lines of a context's file that name another context.
fn strayings(file: &Path, context: &str) -> Vec<String> {
    let source = read(file);
    let mut found = Vec::new();
    for (at, line) in production(&source).enumerate() {
        let others = CONTEXTS.iter().filter(|other| **other != context);
        if !line.trim_start().starts_with("//") && others.into_iter().any(|other| passes_through(line, other)) {
            found.push(format!("{}:{}: {}", shown(file), at + 1, line.trim()));
        }
    }
    found
}

#[test]
fn each_context_is_a_module_of_every_inner_layer() {
    let mut missing = Vec::new();
    for layer in ["domain", "ports", "use-cases", "adapter-http"] {
        for context in CONTEXTS {
            let folder = root().join("crates").join(layer).join("src").join(context);
            if modules_in(&folder).is_empty() {
                missing.push(shown(&folder));
            }
        }
    }
    none_break(
        "A context is a folder of the same name in every layer. There is nothing in:",
        &missing,
    );
}

/// The gate is handed the signer where the context is wired, and nobody else asks for it.
#[test]
fn only_the_mint_gate_holds_the_signer() {
    let folder = root().join("crates/use-cases/src");
    let allowed = ["tokens/mint_gate.rs", "tokens/mod.rs"].map(|file| folder.join(file));
    let offenders: Vec<String> = rust_files_under(&folder)
        .into_iter()
        .filter(|file| !allowed.contains(file) && read(file).contains("TokenSigner"))
        .map(|file| shown(&file))
        .collect();
    none_break(
        "Mint through MintGate::mint, which looks at the credential before it signs:",
        &offenders,
    );
}
