//! What the rounds of a scenario stand on: a directory that goes with the run, brokers, loads with their cost, and the
//! figures found so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::aim::{self, Aim, Samples};
use super::run_dir::RunDir;
use super::{Scenario, Settings};
use crate::ceilings::{self, Effort};
use crate::clock::Stopwatch;
use crate::device::{self, Counts, Device};
use crate::failure::Failure;
use crate::load::{Load, Loadgen, RunningLoad};
use crate::machine::Machine;
use crate::process::{Broker, ServeOptions};
use crate::report::{Ceiling, Cost, Report, Row};
use crate::syscalls::Counter;

/// In the target directory.
const BROKER_TRACE: &str = "bench-ringmain.log";
const LOADGEN_TRACE: &str = "bench-loadgen.log";
/// System calls are counted so long after the start of a load, and so long.
const SYSCALLS_AFTER: Duration = Duration::from_millis(1200);
const SYSCALLS_FOR: Duration = Duration::from_millis(250);
/// A run never takes the last of a disk: others, and the broker's own reserve, need it.
const FREE_RESERVE_BYTES: u64 = 8 << 30;

/// See the top of the file.
pub struct TestBed<'a> {
    scenario: &'a Scenario,
    settings: &'a Settings,
    /// The round that runs, from 1.
    pub round: usize,
    dir: RunDir,
    device: Device,
    loadgen: Loadgen,
    aims: Vec<Aim>,
    samples: Samples,
    ceilings: Vec<Ceiling>,
    costs: Vec<Cost>,
    notes: Vec<String>,
}

impl<'a> TestBed<'a> {
    pub(super) fn new(scenario: &'a Scenario, settings: &'a Settings) -> Result<TestBed<'a>, Failure> {
        let dir = RunDir::create(&settings.data_dir)?;
        let loadgen = Loadgen {
            binary: settings.binaries.loadgen.clone(),
            scratch_dir: dir.0.clone(),
            trace_path: settings.binaries.target_dir.join(LOADGEN_TRACE),
        };
        // The traces of this run only; they stay for whoever wonders about its figures.
        let _ = fs::remove_file(settings.binaries.target_dir.join(BROKER_TRACE));
        Ok(TestBed {
            scenario,
            settings,
            round: 0,
            device: Device::below(&dir.0),
            dir,
            loadgen,
            aims: scenario.aims.concat(),
            samples: Samples::default(),
            ceilings: Vec::new(),
            costs: Vec::new(),
            notes: scenario.notes.iter().map(|&note| note.to_owned()).collect(),
        })
    }

    /// The directory of the run; everything in it goes when the run ends.
    pub fn dir(&self) -> &Path {
        &self.dir.0
    }

    /// Whether this run only shows that every path works.
    pub fn is_smoke(&self) -> bool {
        self.settings.smoke
    }

    /// What a knob of this scenario is set to.
    pub fn knob(&self, name: &str) -> &'a str {
        let knob =
            self.scenario.knobs.iter().find(|knob| knob.name == name).expect("a scenario asks for its own knobs");
        let default = if self.settings.smoke { knob.smoke } else { knob.default };
        self.settings.knobs.get(&format!("{}.{name}", self.scenario.name)).map_or(default, String::as_str)
    }

    /// The number, or the numbers between commas, that a knob is set to.
    pub fn knob_numbers(&self, name: &'static str) -> Result<Vec<f64>, Failure> {
        let value = self.knob(name);
        let parse = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let numbers: Option<Vec<f64>> = value.split(',').map(parse).collect();
        numbers.ok_or_else(|| Failure::BadKnob { name, value: value.to_owned() })
    }

    /// Measures what the machine can do, beside the broker's figures.
    pub fn ceilings(&mut self) -> Result<(), Failure> {
        let effort = if self.settings.smoke { Effort::SMOKE } else { Effort::FULL };
        ceilings::collect(&self.dir.0, effort, &mut self.ceilings)
    }

    /// The best of the newest figures of the ceilings that `wanted` names; not a number if there is none.
    pub fn newest_ceiling(&self, wanted: fn(&str) -> bool) -> f64 {
        let found = self.ceilings.iter().filter(|ceiling| wanted(&ceiling.name));
        found.filter_map(|ceiling| ceiling.samples.last().copied()).fold(f64::NAN, f64::max)
    }

    /// Adds a row that the scenario's data does not name, unless it is there.
    pub fn aim(&mut self, aim: Aim) {
        if !self.aims.iter().any(|found| found.case == aim.case) {
            self.aims.push(aim);
        }
    }

    /// Adds a figure. A case without an aim is not shown, so it must have one.
    pub fn note(&mut self, case: &str, value: f64) {
        assert!(self.aims.iter().any(|aim| aim.case == case), "{case} has no aim");
        eprintln!("  {case}: {value:.2}");
        self.samples.push(case, value);
    }

    /// All figures of a case so far.
    pub fn samples(&self, case: &str) -> &[f64] {
        self.samples.of(case)
    }

    /// The newest figure of a case; not a number if there is none.
    pub fn last(&self, case: &str) -> f64 {
        self.samples.of(case).last().copied().unwrap_or(f64::NAN)
    }

    /// Adds a sentence to the report, once.
    pub fn remark(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// How a broker is started on the directory `name` of this run.
    pub fn serve_options(&self, name: &str) -> ServeOptions {
        ServeOptions {
            ringmain: self.settings.binaries.ringmain.clone(),
            data_dir: self.dir.0.join(name),
            cores: self.settings.cores.clone(),
            config: None,
            trace_path: self.settings.binaries.target_dir.join(BROKER_TRACE),
        }
    }

    /// As [`TestBed::serve_options`], with lines of a configuration file.
    pub fn serve_options_with(&self, name: &str, config: &str) -> Result<ServeOptions, Failure> {
        let path: PathBuf = self.dir.0.join(format!("{name}.toml"));
        fs::write(&path, config).map_err(Failure::machine(format!("writing {}", path.display())))?;
        Ok(ServeOptions { config: Some(path), ..self.serve_options(name) })
    }

    /// Runs the load generator to its end and counts what that cost, under the name `case`.
    pub fn load(&mut self, broker: &Broker, case: &str, arguments: &[&str]) -> Result<Load, Failure> {
        let (watch, cpu_before_s, device_before) = (Stopwatch::start(), broker.cpu_seconds()?, self.device.counts());
        let moved_before = broker.moved();
        let mut running = self.start_load("main", broker, arguments)?;
        let syscalls_per_s = syscalls_per_s(broker, &mut running);
        let load = running.finish()?;
        let requests_per_s = load.requests_per_s();
        let moved = broker.moved().zip(moved_before);
        let cost = Cost {
            case: case.to_owned(),
            wall_s: watch.seconds(),
            broker_cpu_s: broker.cpu_seconds()? - cpu_before_s,
            loadgen_cpu_s: load.loadgen_cpu_s,
            broker_resident_mib: broker.resident_mib()?,
            device: self.device.counts().since(device_before),
            requests: load.requests(),
            copies_per_byte: moved.and_then(|(now, then)| now.copies_per_byte_since(then)),
            syscalls_per_request: syscalls_per_s.filter(|_| requests_per_s > 0.0).map(|rate| rate / requests_per_s),
        };
        match self.costs.iter_mut().find(|found| found.case == case) {
            Some(found) => found.add(&cost),
            None => self.costs.push(cost),
        }
        self.notes.extend(load.complaint.clone());
        Ok(load)
    }

    /// What the disk below the run has done so far, for all processes.
    pub fn device_counts(&self) -> Counts {
        self.device.counts()
    }

    /// Starts a load that runs beside what follows; `name` tells it from others that run at the same time.
    pub fn start_load(&self, name: &str, broker: &Broker, arguments: &[&str]) -> Result<RunningLoad, Failure> {
        self.loadgen.start(name, broker, arguments)
    }

    /// Bytes that this run may still put on the disk: what is free without a reserve for everybody else.
    pub fn free_bytes(&self) -> Result<u64, Failure> {
        let free = device::free_bytes(&self.dir.0).map_err(Failure::machine("looking at the free space"))?;
        Ok(free.saturating_sub(FREE_RESERVE_BYTES))
    }

    /// Removes a directory of this run before its end.
    pub fn remove(&self, dir: &Path) -> Result<(), Failure> {
        assert!(dir.starts_with(&self.dir.0), "only what this run made is removed");
        fs::remove_dir_all(dir).map_err(Failure::machine(format!("removing {}", dir.display())))
    }

    /// Frees what the files of a directory hold, and leaves the files to the end of the run. An ext4 without a journal looks, for each file
    /// it makes, at every one removed within the last minutes: thousands that were removed make whoever makes thousands wait.
    pub fn hollow_out(&self, dir: &Path) -> Result<(), Failure> {
        assert!(dir.starts_with(&self.dir.0), "only what this run made is emptied");
        empty_files(dir).map_err(Failure::machine(format!("emptying {}", dir.display())))
    }

    pub(super) fn report(self, machine: Machine) -> Report {
        let rows = self.aims.iter().map(|aim| self.row(aim)).collect();
        Report {
            scenario: self.scenario.name.to_owned(),
            rounds: self.settings.rounds,
            smoke: self.settings.smoke,
            knobs: self
                .scenario
                .knobs
                .iter()
                .map(|knob| (knob.name.to_owned(), self.knob(knob.name).to_owned()))
                .collect(),
            cores: self.settings.cores.clone(),
            machine,
            ceilings: self.ceilings,
            rows,
            costs: self.costs,
            notes: self.notes,
        }
    }

    fn row(&self, aim: &Aim) -> Row {
        // Seconds of a smoke run say nothing about a target.
        let target = aim.target.filter(|_| !self.settings.smoke);
        let row = Row::new(aim.case.clone(), aim.unit, aim.better, self.samples.of(&aim.case).to_vec());
        row.bounded(aim::bound(aim.limit, &self.ceilings, &self.samples)).aimed(target)
    }
}

/// System calls of the broker per second, counted over a part of the load: counting costs each of them a little.
fn syscalls_per_s(broker: &Broker, load: &mut RunningLoad) -> Option<f64> {
    if load.ended_within(SYSCALLS_AFTER) {
        return None;
    }
    let mut counter = Counter::start(broker.pid())?;
    let watch = Stopwatch::start();
    let ended = load.ended_within(SYSCALLS_FOR);
    let rate = counter.count() as f64 / watch.seconds();
    (!ended).then_some(rate)
}

fn empty_files(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            empty_files(&path)?;
        } else if kind.is_file() {
            fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?;
        }
    }
    Ok(())
}
