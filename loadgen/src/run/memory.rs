//! What connections cost in memory: a look before the first, and one behind the last.

use crate::host::sample::{self, Sample};
use crate::recording::Memory;

use super::crew::Crew;
use super::server::Server;

/// A look at what connections will be measured against.
#[derive(Debug)]
pub(crate) struct Look {
    sample: Sample,
    generator_bytes: u64,
}

/// Looks at the server and the generator now.
pub(crate) fn look(crew: &mut Crew) -> Look {
    Look {
        sample: crew.sample(),
        generator_bytes: crew.rss_bytes(),
    }
}

/// What `connections` have cost since then.
pub(crate) fn memory(before: &Look, crew: &mut Crew, server: &Server, connections: u64) -> Memory {
    let after = look(crew);
    let rss = |look: &Look| look.sample.server.map(|p| p.rss_bytes);
    let slab = |look: &Look| look.sample.sockets.slab_bytes;
    let buffers = |look: &Look| look.sample.sockets.buffer_bytes;
    let grown = |(before, after): (u64, u64)| after.saturating_sub(before);
    let buffer_bytes = grown((buffers(before), buffers(&after)));
    let kernel = slab(before).zip(slab(&after)).map(grown);
    Memory {
        connections,
        server_bytes: rss(before).zip(rss(&after)).map(grown),
        server_pss_bytes: sample::pss(&server.pids),
        generator_bytes: grown((before.generator_bytes, after.generator_bytes)),
        kernel_bytes: kernel.map(|bytes| bytes + buffer_bytes),
        buffer_bytes,
    }
}
