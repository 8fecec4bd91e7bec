//! What commands and the server do with a folder that is missing, incomplete, or not theirs.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use crate::operator::{Following, Operator, Serving};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn commands_that_read_create_nothing() {
    let operator = Operator::new();
    for arguments in [
        &["client", "list"][..],
        &["client", "show", "portal"],
        &["identity", "list"],
        &["identity", "show", "ana"],
        &["identity", "find", "ana@example.com"],
        &["group", "list"],
        &["role", "list"],
        &["keys", "list"],
        &["events"],
        &["audit"],
        &["backup", "elsewhere"],
    ] {
        for exists in [false, true] {
            if exists {
                fs::create_dir(operator.data()).expect("it does not exist");
            }
            let done = operator.run(arguments);
            assert_eq!(
                (done.code, done.stdout.as_str()),
                (Some(1), ""),
                "{arguments:?}: {done:?}"
            );
            assert!(
                done.stderr.contains("there is no data folder"),
                "{arguments:?}: {done:?}"
            );
            if exists {
                assert_eq!(names(&operator.data()), [""; 0], "{arguments:?}");
                fs::remove_dir(operator.data()).expect("it is empty");
            } else {
                assert!(!operator.data().exists(), "{arguments:?}");
            }
        }
    }
}

#[test]
fn a_command_that_writes_creates_the_whole_folder_and_says_so() {
    let operator = Operator::new();
    let first = operator.run_ok(&["client", "add", "portal"]);
    assert!(first.stderr.contains("created the data folder"), "{first:?}");
    let second = operator.run_ok(&["client", "add", "shop"]);
    assert_eq!(second.stderr, "");
    assert_eq!(
        names(&operator.data()),
        ["audit.jsonl", "authme.sqlite", "keys", "secrets"]
    );
    assert_eq!(operator.run_ok(&["keys", "list"]).lines().len(), 1);
    let (code, log) = Serving::start(&operator, &[]).stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("created the data folder"), "{log}");
}

#[test]
fn the_server_reports_a_new_folder() {
    let (code, log) = Serving::start(&Operator::new(), &[]).stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("created the data folder"), "{log}");
}

#[test]
fn a_folder_without_one_of_its_parts_is_refused() {
    let operator = Operator::new();
    operator.run_ok(&["client", "add", "portal"]);
    for (part, advice) in [
        ("authme.sqlite", "no store (`authme.sqlite`)"),
        ("keys", "no signing keys (`keys/manifest.json`)"),
        ("keys/manifest.json", "no signing keys (`keys/manifest.json`)"),
        ("secrets", "no `secrets/refresh.key`"),
        ("secrets/refresh.key", "no `secrets/refresh.key`"),
        ("secrets/codes.key", "no `secrets/codes.key`"),
    ] {
        let (path, hidden) = (operator.data().join(part), operator.folder().join("hidden"));
        fs::rename(&path, &hidden).expect("the part exists");
        for arguments in [
            &["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"][..],
            &["client", "list"],
            &["client", "add", "shop"],
            &["events"],
            &["backup", "elsewhere"],
        ] {
            let done = operator.run(arguments);
            assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{part}: {done:?}");
            assert!(done.stderr.contains(advice), "{part}: {done:?}");
            assert!(!path.exists(), "{part}");
        }
        fs::rename(&hidden, &path).expect("the part can return");
    }
    fs::write(operator.data().join("authme.sqlite"), "").expect("the store can be emptied");
    assert!(operator.run(&["client", "list"]).stderr.contains("no store"));
}

#[test]
fn a_lost_key_is_replaced_on_request_only() {
    let operator = Operator::new();
    operator.run_ok(&["client", "add", "portal"]);
    fs::remove_dir_all(operator.data().join("keys")).expect("there are keys");
    assert_eq!(operator.run(&["client", "list"]).code, Some(1));
    operator.run_ok(&["keys", "generate"]);
    assert_eq!(operator.run_ok(&["client", "list"]).lines().len(), 1);
}

#[test]
fn other_files_and_folders_are_not_used() {
    let operator = Operator::new();
    let file = operator.file("file", "text");
    let done = operator.run(&["client", "add", "portal", "--data", file.to_str().expect("UTF-8")]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("is a file"), "{done:?}");
    let folder = operator.folder();
    let done = operator.run(&["client", "add", "portal", "--data", folder.to_str().expect("UTF-8")]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("neither empty nor a data folder"), "{done:?}");
    assert_eq!(names(&folder), ["file"]);
}

/// A volume of Kubernetes with an `fsGroup` belongs to root and to the group of the process. Without root, the test
/// cannot give the folder away; the server must leave the mode of its own folder alone in the same way.
#[test]
fn the_root_of_a_volume_keeps_its_owner_and_mode() {
    let operator = Operator::new();
    let data = operator.data();
    fs::create_dir(&data).expect("the folder can be created");
    fs::create_dir(data.join("lost+found")).expect("the folder can be created");
    let is_root = fs::metadata("/proc/self").expect("Linux").uid() == 0;
    if is_root {
        chown(&data, Some(0), Some(65534)).expect("root may do this");
        let around = fs::Permissions::from_mode(0o755);
        fs::set_permissions(operator.folder(), around).expect("the mode can be set");
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o2775)).expect("the mode can be set");
    let serving = if is_root {
        Serving::start_as_nobody(&operator)
    } else {
        Serving::start(&operator, &[])
    };
    assert_eq!(serving.stop().0, Some(0));
    let root = fs::metadata(&data).expect("it exists");
    assert_eq!(root.mode() & 0o7777, 0o2775);
    if is_root {
        assert_eq!(root.uid(), 0);
    }
    for (name, mode) in [
        ("keys", 0o700),
        ("secrets", 0o700),
        ("authme.sqlite", 0o600),
        ("audit.jsonl", 0o600),
    ] {
        let part = fs::metadata(data.join(name)).expect("it exists");
        assert_eq!(part.mode() & 0o777, mode, "{name}");
        assert_eq!(part.uid(), if is_root { 65534 } else { root.uid() }, "{name}");
    }
}

#[test]
fn after_a_stop_the_main_file_alone_has_everything() {
    let operator = Operator::new();
    let serving = Serving::start(&operator, &[]);
    operator.register_fixtures();
    // Another process has the file open, so that closing alone does not empty the log.
    let other_process = Following::start(&operator);
    assert_eq!(serving.stop().0, Some(0));
    let copied = Operator::new();
    fs::create_dir(copied.data()).expect("the folder can be created");
    fs::copy(
        operator.data().join("authme.sqlite"),
        copied.data().join("authme.sqlite"),
    )
    .expect("it can be copied");
    for folder in ["keys", "secrets"] {
        fs::create_dir(copied.data().join(folder)).expect("the folder can be created");
        for name in names(&operator.data().join(folder)) {
            let path = Path::new(folder).join(name);
            fs::copy(operator.data().join(&path), copied.data().join(&path)).expect("it can be copied");
        }
    }
    assert_eq!(copied.run_ok(&["client", "list"]).lines().len(), 5);
    assert_eq!(copied.run_ok(&["identity", "list"]).lines().len(), 3);
    drop(other_process);
}
