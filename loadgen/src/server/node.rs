//! The node that a run without `--target` measures: this program again, as `loadgen node`, a
//! process apart, so that descriptors and CPU are counted apart.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::base::failure::Failure;
use crate::options::NodeOptions;

/// How long a node may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// What a server prints when it is ready, before its URL.
pub const BANNER: &str = "listening on http://";

/// Runs the node in this process until it is told to stop, or until the generator has gone;
/// gives back the node's exit code.
pub fn run(options: &NodeOptions) -> u8 {
    stop_with_parent();
    let own = ["altavoz", "serve", "--drain", "0", "--log-level", "warn"];
    let flags = options.flags.iter().map(String::as_str);
    altavoz::cli::run(own.into_iter().chain(flags).map(OsString::from))
}

/// Asks this process to stop when its standard input ends, that is when whoever started it is
/// gone, however it went.
fn stop_with_parent() {
    thread::spawn(|| {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        let _ = kill_process(rustix::process::getpid(), Signal::TERM);
    });
}

/// A server that runs as a child process and ends with this handle.
#[derive(Debug)]
pub struct ChildServer {
    child: Child,
    /// `HOST:PORT` where it listens.
    pub authority: String,
}

impl ChildServer {
    /// Starts the node and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn start() -> Result<Self, Failure> {
        Self::start_at("127.0.0.1:0", false)
    }

    /// Starts so many nodes on one port.
    ///
    /// # Errors
    /// When one does not.
    pub fn start_several(count: u32) -> Result<Vec<Self>, Failure> {
        let first = Self::start_at("127.0.0.1:0", count > 1)?;
        let mut nodes = vec![first];
        for _ in 1..count {
            let authority = nodes[0].authority.clone();
            nodes.push(Self::start_at(&authority, true)?);
        }
        Ok(nodes)
    }

    fn start_at(listen: &str, shares: bool) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::usage(e.to_string()))?;
        let mut command = Command::new(program);
        // Questions are answered at /echo.
        command.args(["node", "--echo", "--listen", listen]);
        if shares {
            command.arg("--share-port");
        }
        Self::start_with(command)
    }

    /// Starts any server that prints the same line.
    ///
    /// # Errors
    /// When it does not within 20 seconds.
    pub fn start_with(mut command: Command) -> Result<Self, Failure> {
        own_group(&mut command);
        // Its standard input is ours: the end of it tells the node that we are gone.
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            child.map_err(|e| Failure::usage(format!("could not start a node of its own: {e}")))?;
        let (to_us, banner) = channel();
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if let Some((_, rest)) = line.split_once(BANNER) {
                        let end = rest.find([' ', '/']).unwrap_or(rest.len());
                        // Later lines are read and forgotten, so that the node never blocks.
                        drop(to_us.send(rest[..end].to_owned()));
                    }
                }
            });
        }
        let authority = banner.recv_timeout(START_TIMEOUT).unwrap_or_default();
        let server = Self { child, authority };
        if server.authority.is_empty() {
            return Err(Failure::usage(
                "the node of its own did not start to listen: see its message above, \
                 or name a server with --target ws://HOST:PORT",
            ));
        }
        Ok(server)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ChildServer {
    /// Asks it to stop, and ends it if it does not within five seconds.
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.map(|pid| kill_process(pid, Signal::TERM));
        // Its end would ask the node a second time, which cuts its drain short.
        let _input = self.child.stdin.take();
        let (to_us, ended) = channel::<()>();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            // Nobody sends: it is a wait with a deadline.
            let _ = ended.recv_timeout(Duration::from_millis(50));
        }
        drop(to_us);
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Keeps the terminal's Ctrl-C from a child: the coordinator ends it when its report is done.
pub fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}
