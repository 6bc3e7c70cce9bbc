//! Where topics are on a server: the paths of requests, for each transport and for publishing.
//!
//! A server of ours has `/topics/NAME`, says in the query how it is read and knows positions
//! there. Of any other only the path is known: a reader goes on with what HTTP has for it,
//! `If-None-Match` and `If-Modified-Since`.

use serde::{Deserialize, Serialize};

use crate::base::failure::Failure;
use crate::base::transport::Transport;
use crate::speak::target::{percent_encoded, topic_path};

/// The paths of a server.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Paths {
    /// For everything that has none of its own.
    all: Option<String>,
    /// By transport.
    own: Vec<(Transport, String)>,
    /// For publishing by POST.
    publish: Option<String>,
}

impl Paths {
    /// From `--path`, or the target's own, and `--path-for`.
    ///
    /// # Errors
    /// When one does not begin with a slash, or is for nothing that is known.
    pub fn new(all: Option<&str>, each: &[String]) -> Result<Self, Failure> {
        let mut paths = Self {
            all: all.map(|path| check("--path", path)).transpose()?,
            ..Self::default()
        };
        for option in each {
            let unknown = || {
                Failure::usage(format!(
                    "--path-for {option}: use WHAT=/PATH, where WHAT is ws, sse, longpoll, \
                     stream, poll or publish"
                ))
            };
            let (what, path) = option.split_once('=').ok_or_else(unknown)?;
            let path = check("--path-for", path)?;
            match transport(what) {
                Some(transport) => paths.own.push((transport, path)),
                None if what == "publish" => paths.publish = Some(path),
                None => return Err(unknown()),
            }
        }
        Ok(paths)
    }

    /// Publishes at a path of another server.
    ///
    /// # Errors
    /// When there is a path for publishing already, or it is none.
    pub fn publish_at(&mut self, path: &str) -> Result<(), Failure> {
        if self.publish.is_some() {
            return Err(Failure::usage(
                "--publish-url has a path: leave --path-for publish= out",
            ));
        }
        self.publish = Some(check("--publish-url", path)?);
        Ok(())
    }

    /// Where the clients of a transport read a topic in a mode, which is theirs but for a long
    /// poll that only asks where the topic is; `None` where a server of ours has it.
    #[must_use]
    pub fn reading(&self, transport: Transport, mode: Transport, topic: &str) -> Option<String> {
        Some(fill(self.template(transport)?, topic, mode.name()))
    }

    /// Whether a transport's path can be read in another mode.
    #[must_use]
    pub fn has_modes(&self, transport: Transport) -> bool {
        self.template(transport)
            .is_none_or(|path| path.contains("{mode}"))
    }

    /// Where a topic is published to.
    #[must_use]
    pub fn publishing(&self, topic: &str) -> String {
        match self.publish.as_ref().or(self.all.as_ref()) {
            Some(path) => fill(path, topic, "publish"),
            None => topic_path(topic),
        }
    }

    /// The path of a transport on a server that is not like ours.
    fn template(&self, transport: Transport) -> Option<&str> {
        let own = self.own.iter().find(|(of, _)| *of == transport);
        let own = own.map(|(_, path)| path);
        own.or(self.all.as_ref()).map(String::as_str)
    }
}

fn check(option: &str, path: &str) -> Result<String, Failure> {
    let is_legal =
        path.starts_with('/') && !path.contains(|c: char| c.is_ascii_control() || c == ' ');
    if !is_legal {
        return Err(Failure::usage(format!(
            "{option} {path}: a path begins with / and has no spaces"
        )));
    }
    Ok(path.to_owned())
}

fn transport(name: &str) -> Option<Transport> {
    clap::ValueEnum::from_str(name, false).ok()
}

fn fill(path: &str, topic: &str, mode: &str) -> String {
    path.replace("{mode}", mode)
        .replace("{topic}", &percent_encoded(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(all: Option<&str>, each: &[&str]) -> Result<Paths, String> {
        let each: Vec<_> = each.iter().map(|it| (*it).to_owned()).collect();
        Paths::new(all, &each).map_err(|failure| failure.message)
    }

    #[test]
    fn a_server_of_ours_has_no_path_but_for_publishing() {
        let paths = paths(None, &[]).expect("paths");
        assert_eq!(paths.reading(Transport::Sse, Transport::Sse, "a b"), None);
        assert_eq!(paths.publishing("a b"), "/topics/a%20b");
        assert!(paths.has_modes(Transport::LongPoll));
    }

    #[test]
    fn one_path_is_for_everything_that_has_none_of_its_own() {
        let each = ["poll=/{mode}/{topic}", "publish=/pub?id={topic}"];
        let paths = paths(Some("/sub/{topic}"), &each).expect("paths");
        let reading = |transport| paths.reading(transport, transport, "a b");
        assert_eq!(reading(Transport::Sse).as_deref(), Some("/sub/a%20b"));
        assert_eq!(reading(Transport::Poll).as_deref(), Some("/poll/a%20b"));
        assert_eq!(paths.publishing("x"), "/pub?id=x");
        assert!(paths.has_modes(Transport::Poll) && !paths.has_modes(Transport::LongPoll));
    }

    #[test]
    fn paths_that_are_none_say_what_is() {
        let says = |all: Option<&str>, each: &[&str], words: &str| {
            let message = paths(all, each).expect_err(words);
            assert!(message.contains(words), "{message}");
        };
        says(Some("topics"), &[], "begins with /");
        says(Some("/a b"), &[], "no spaces");
        says(None, &["sse=events"], "begins with /");
        says(None, &["carrier=/x"], "longpoll");
        says(None, &["/x"], "WHAT=/PATH");
        let mut both = paths(None, &["publish=/a"]).expect("paths");
        assert!(both.publish_at("/b").is_err());
    }
}
