//! A worker as a process: commands on its standard input, notices on its standard output
//! ([`crate::lines`]), the host's clock, and the driver that the plan names. The end of its input
//! is the end of the process.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use altavoz::base::Address;
use altavoz::base::{Time, clock};
use altavoz::io::{Driver, EpollDriver, EpollOptions, UringDriver, UringOptions, Wake};

use crate::host::doctor::raise_descriptors;
use crate::lines::{Command, Notice};
use crate::options::DriverKind;
use crate::plan::WorkerPlan;

use super::Worker;
use super::core::RECEIVE_BUFFER_BYTES;
use super::gate::Gate;
use super::metronome::Metronome;

/// Runs a worker until it is told to finish.
///
/// # Errors
/// When the plan cannot be read or the event loop cannot be set up.
pub fn run() -> Result<(), String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|e| e.to_string())?;
    let plan: WorkerPlan = serde_json::from_str(&line).map_err(|e| e.to_string())?;
    let _ = raise_descriptors();
    if let Some(core) = plan.plan.pin {
        let id = core + plan.worker as usize;
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    match plan.plan.driver {
        DriverKind::Auto | DriverKind::Epoll => {
            let driver = EpollDriver::new(EpollOptions {
                receive_buffer_bytes: RECEIVE_BUFFER_BYTES,
                // Few, so that a publication does not wait long behind what arrives.
                events_per_turn_max: 256,
                ..EpollOptions::default()
            });
            run_on(driver.map_err(|e| format!("event loop: {e}"))?, plan)
        }
        DriverKind::Uring => {
            let connections = plan.plan.connections() / u64::from(plan.plan.workers) + 1;
            let driver = UringDriver::new(UringOptions {
                connections_max: usize::try_from(connections).unwrap_or(usize::MAX),
                ..UringOptions::default()
            });
            run_on(driver.map_err(|e| format!("io_uring: {e}"))?, plan)
        }
    }
}

fn run_on(driver: impl Driver<Target = Address>, plan: WorkerPlan) -> Result<(), String> {
    let commands = read_commands(driver.waker());
    let metronome = Metronome::start(driver.waker());
    let target = Address::Inet(plan.plan.target.address);
    let elsewhere = plan.plan.publish_to.as_ref();
    let elsewhere = elsewhere.map(|to| Address::Inet(to.address));
    let gate = Gate::new(driver, target, elsewhere);
    let mut worker = Worker::new(plan, gate, clock::now, clock::process_cpu)?;
    serve(&mut worker, &commands, &metronome)
}

/// Reads commands in a thread of its own, which ends with the input.
fn read_commands(waker: Box<dyn Wake>) -> Receiver<Command> {
    let (to_worker, commands) = channel();
    thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for command in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            if to_worker.send(command).is_err() {
                break;
            }
            waker.wake();
        }
        drop(to_worker);
        waker.wake();
    });
    commands
}

fn serve<D: Driver, C: Fn() -> Time>(
    worker: &mut Worker<D, C>,
    commands: &Receiver<Command>,
    metronome: &Metronome,
) -> Result<(), String> {
    loop {
        loop {
            match commands.try_recv() {
                Ok(command) => worker.obey(command),
                Err(TryRecvError::Empty) => break,
                // The coordinator is gone.
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
            worker.take_notices().for_each(|notice| say(&notice));
            if let Some(timetable) = worker.take_timetable() {
                metronome.beat_at(timetable);
            }
        }
        if worker.is_over() {
            return Ok(());
        }
        worker.advance();
        worker.take_notices().for_each(|notice| say(&notice));
        worker.poll().map_err(|e| format!("event loop: {e}"))?;
    }
}

/// Writes a notice; a coordinator that is gone is noticed at the commands' end.
fn say(notice: &Notice) {
    let mut out = std::io::stdout().lock();
    if let Ok(mut line) = serde_json::to_vec(notice) {
        line.push(b'\n');
        drop(out.write_all(&line).and_then(|()| out.flush()));
    }
}
