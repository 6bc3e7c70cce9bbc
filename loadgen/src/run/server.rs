//! The server of a run.

use crate::base::failure::Failure;
use crate::options::TargetOptions;
use crate::server::node::ChildServer;
use crate::speak::target::Target;

/// The server of a run: named, or children of our own.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it is.
    pub target: Target,
    /// Its processes, if they are on this host and known.
    pub pids: Vec<u32>,
    /// Held so that they end with the run.
    children: Vec<ChildServer>,
}

impl Server {
    /// Resolves the target, or starts nodes.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn new(options: &TargetOptions) -> Result<Self, Failure> {
        if let Some(url) = &options.target {
            return Ok(Self {
                pids: options.server_pids.clone(),
                ..Self::named(url)?
            });
        }
        let children = ChildServer::start_several(options.nodes)?;
        Ok(Self {
            target: Target::parse(&format!("ws://{}", children[0].authority))?,
            pids: children.iter().map(ChildServer::pid).collect(),
            children,
        })
    }

    /// One that somebody else runs.
    ///
    /// # Errors
    /// When its URL is none.
    pub(crate) fn named(url: &str) -> Result<Self, Failure> {
        Ok(Self {
            target: Target::parse(url)?,
            pids: Vec::new(),
            children: Vec::new(),
        })
    }

    /// Whether the run started it.
    #[must_use]
    pub(crate) fn is_own(&self) -> bool {
        !self.children.is_empty()
    }
}
