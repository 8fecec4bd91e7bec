//! C9: the server is killed under load, many times, over one data folder. Every write that it acknowledged must be
//! stored after the restart.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fastrand::Rng;
use test_servers::authme::Server;

use crate::event_log::{EventHistories, EventLog};
use crate::installation::Installation;
use crate::load::Load;
use crate::result::TrialResult;
use crate::torn_log::{self, TornCopy};
use crate::workload::{ContactWorkload, LockWorkload, RenewalWorkload, Workload};

const LOCK_WORKERS: u64 = 3;
const RENEWAL_WORKERS: u64 = 3;
const CONTACT_WORKERS: u64 = 2;

/// The number of users that one worker locks and unlocks.
const LOCKED_USERS: u64 = 20;

/// The number of users to whom one worker adds contacts in one round.
const CONTACT_USERS: u64 = 50;

/// The size of the range of contact numbers that one worker has for itself.
const CONTACTS: u64 = 1_000_000;

/// The time limit for events after a kill. The claims of the killed relay expire after 5 s; the rest is a margin for a
/// slow machine.
const EVENTS_COME_WITHIN: Duration = Duration::from_secs(20);

/// The maximum time that a server runs under load, in milliseconds. It is long enough for several checkpoints of the
/// write-ahead log.
const MAX_UPTIME: u64 = 1_500;

/// The maximum number of defects printed per round. The others probably have the same cause.
const PRINTED_DEFECTS: usize = 5;

/// Counts over all rounds.
#[derive(Default)]
struct Counts {
    kills: u32,
    kills_with_defects: u32,
    torn_copies: u32,
    torn_copies_with_defects: u32,
    backups: u32,
    backups_with_defects: u32,
    acknowledged: u32,
}

/// The state that outlives each server.
struct Trial {
    installation: Installation,
    rng: Rng,
    workloads: Vec<Box<dyn Workload>>,
    /// The contact workloads of earlier rounds, which are verified once more at the end.
    past_workloads: Vec<Box<dyn Workload>>,
    expected: EventHistories,
    log: EventLog,
}

pub(crate) fn run(rounds: usize, seed: Option<u64>) -> anyhow::Result<Vec<TrialResult>> {
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("c9: seed {seed}");
    let mut trial = Trial::new(seed)?;
    let mut counts = Counts::default();
    for round in 0..rounds as u64 {
        let defects = trial.run_round(round, &mut counts);
        let defects = defects.with_context(|| format!("round {round}, seed {seed}"))?;
        counts.kills += 1;
        counts.kills_with_defects += u32::from(trial.report(&format!("round {round}"), &defects));
    }
    let defects = trial.verify_everything()?;
    counts.kills_with_defects += u32::from(trial.report("after the last round", &defects));
    println!(
        "c9: {} writes acknowledged, {} events in the log",
        counts.acknowledged,
        trial.log.len()
    );
    let result = |name: &str, trials, failures| TrialResult {
        name: name.to_owned(),
        trials,
        failures,
    };
    Ok(vec![
        result("c9 kill", counts.kills, counts.kills_with_defects),
        result("c9 torn log", counts.torn_copies, counts.torn_copies_with_defects),
        result("c9 backup", counts.backups, counts.backups_with_defects),
    ])
}

fn user_ids(prefix: &str, count: u64) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

/// Restores a backup and returns the defects of the data folder. Removes both if there are none.
fn verify_backup(installation: &Installation, backup: &Path) -> anyhow::Result<Vec<String>> {
    let restored = backup.with_file_name("restored");
    let name = backup
        .to_str()
        .context("the path of the temporary folder is not UTF-8")?;
    installation.operate_on(&restored, &["restore", name])?;
    let defects = torn_log::examine(installation, &restored)?;
    if defects.is_empty() {
        fs::remove_dir_all(backup)?;
        fs::remove_dir_all(restored)?;
    }
    Ok(defects)
}

impl Trial {
    fn new(seed: u64) -> anyhow::Result<Self> {
        let installation = Installation::new()?;
        let mut workloads: Vec<Box<dyn Workload>> = Vec::new();
        for worker in 0..LOCK_WORKERS {
            let users = user_ids(&format!("locked-{worker}"), LOCKED_USERS);
            installation.import(&users)?;
            workloads.push(Box::new(LockWorkload::new(&users)));
        }
        for user in user_ids("renewing", RENEWAL_WORKERS) {
            installation.import(std::slice::from_ref(&user))?;
            workloads.push(Box::new(RenewalWorkload::new(&user)));
        }
        Ok(Self {
            installation,
            rng: Rng::with_seed(seed),
            workloads,
            past_workloads: Vec::new(),
            expected: EventHistories::default(),
            log: EventLog::default(),
        })
    }

    /// Puts a server under load, copies its files with a torn log, backs it up, kills it, restarts it and returns the
    /// defects.
    fn run_round(&mut self, round: u64, counts: &mut Counts) -> anyhow::Result<Vec<String>> {
        let mut workloads = std::mem::take(&mut self.workloads);
        let permanent = workloads.len();
        for worker in 0..CONTACT_WORKERS {
            let users = user_ids(&format!("contacted-{round}-{worker}"), CONTACT_USERS);
            self.installation.import(&users)?;
            let first = (round * CONTACT_WORKERS + worker) * CONTACTS;
            workloads.push(Box::new(ContactWorkload::new(&users, first)));
        }
        let server = self.installation.serve()?;
        let load = Load::start(&self.installation, &server, workloads, &mut self.rng)?;
        self.sleep_at_random();
        let copy = TornCopy::create(&self.installation, &server, &mut self.rng)?;
        let backup = self.installation.data().with_file_name("backup");
        self.installation.back_up(&backup)?;
        self.sleep_at_random();
        server.kill()?;
        let result = load.join()?;
        let defects_of_backup = verify_backup(&self.installation, &backup)?;
        counts.backups += 1;
        counts.backups_with_defects += u32::from(self.report("a restored backup", &defects_of_backup));
        let defects_of_copy = copy.verify(&self.installation)?;
        counts.torn_copies += 1;
        counts.torn_copies_with_defects += u32::from(self.report("a copy with a torn log", &defects_of_copy));
        counts.acknowledged += result.acknowledged;
        let mut defects = result.defects;
        self.workloads = result.workloads;
        let server = self.installation.serve()?;
        // In every other round the next kill comes before the claims of the killed relay expire.
        defects.extend(self.verify(&server, round % 2 == 1)?);
        self.past_workloads.extend(self.workloads.split_off(permanent));
        server.kill()?;
        Ok(defects)
    }

    /// Prints the defects and keeps the folder for examination. Returns whether there are any.
    fn report(&mut self, when: &str, defects: &[String]) -> bool {
        if defects.is_empty() {
            return false;
        }
        self.installation.keep();
        let folder = self.installation.folder();
        eprintln!("{when}: {} defects, see {}", defects.len(), folder.display());
        for defect in defects.iter().take(PRINTED_DEFECTS) {
            eprintln!("  {defect}");
        }
        true
    }

    /// Sleeps for a random time of up to half the maximum uptime, so that the kill can hit any moment.
    fn sleep_at_random(&mut self) {
        sleep(Duration::from_millis(self.rng.u64(..MAX_UPTIME / 2)));
    }

    /// Compares the server with the workloads, and its event log with the events that they expect. Waits for missing
    /// events if `must_await_events`. Returns the defects.
    fn verify(&mut self, server: &Server, must_await_events: bool) -> anyhow::Result<Vec<String>> {
        let mut connection = self.installation.connect(server)?;
        let mut defects = Vec::new();
        // In reverse, so that sessions come before locks: the grace period, in which an unacknowledged successor is
        // returned again, is short.
        for workload in self.workloads.iter_mut().rev() {
            defects.extend(workload.verify(&mut connection)?);
            workload.add_expected_events(&mut self.expected);
        }
        let started = Instant::now();
        loop {
            defects.extend(self.log.read_to_end(&mut connection)?);
            let missing = self.log.find_missing(&self.expected);
            if missing.is_empty() || !must_await_events {
                break;
            }
            if started.elapsed() > EVENTS_COME_WITHIN {
                defects.extend(missing);
                break;
            }
            sleep(Duration::from_millis(50));
        }
        defects.extend(self.log.find_unexpected(&self.expected));
        Ok(defects)
    }

    /// Verifies the writes of all rounds after the last kill, and reads the whole log a second time.
    fn verify_everything(&mut self) -> anyhow::Result<Vec<String>> {
        let server = self.installation.serve()?;
        self.workloads.append(&mut self.past_workloads);
        let mut defects = self.verify(&server, true)?;
        let mut second = EventLog::default();
        defects.extend(second.read_to_end(&mut self.installation.connect(&server)?)?);
        if !second.has_same_content(&self.log) {
            defects.push("the second reading of the log returned other events than the first".to_owned());
        }
        server.kill()?;
        let integrity = torn_log::integrity_check(&self.installation.data())?;
        if integrity != "ok" {
            defects.push(format!("integrity_check: {integrity}"));
        }
        Ok(defects)
    }
}
