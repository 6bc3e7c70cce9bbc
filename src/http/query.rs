//! The parameters in a request's query.
//!
//! Owns which names are known, and which of them may stand twice: those that say from where to
//! read, since polyfills append them to a URL that has them already. Unknown ones are ignored, as
//! pages add their own against caches.

use super::bad_request;
use super::target::decode;
use crate::wire::http::HttpError;

/// A parameter that the interface knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parameter {
    After,
    Conflate,
    Drain,
    Format,
    LastEventId,
    Mode,
    Timeout,
    Token,
}

const NAMES: [(&str, Parameter); 8] = [
    ("after", Parameter::After),
    ("conflate", Parameter::Conflate),
    ("drain", Parameter::Drain),
    ("format", Parameter::Format),
    ("lastEventId", Parameter::LastEventId),
    ("mode", Parameter::Mode),
    ("timeout", Parameter::Timeout),
    ("token", Parameter::Token),
];

/// The known parameters of one query, decoded. Not `Debug`: there may be a token in it.
#[derive(Default)]
pub(super) struct Query {
    /// One place a name, in the order of `Parameter`.
    values: [Option<String>; NAMES.len()],
}

impl Query {
    /// Reads what stands behind the question mark.
    ///
    /// # Errors
    /// 400 for a known parameter whose value does not decode, or that stands twice and does not
    /// say from where to read: of those the last that is not empty counts.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, HttpError> {
        let mut parsed = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((text, name)) = known(name) else {
                continue;
            };
            let value = decode(value)
                .ok_or_else(|| bad_request(format!("'{text}=' is not percent-encoded UTF-8")))?;
            let is_start = matches!(name, Parameter::After | Parameter::LastEventId);
            if is_start && value.is_empty() {
                continue;
            }
            let place = &mut parsed.values[name as usize];
            if place.replace(value.into_owned()).is_some() && !is_start {
                return Err(bad_request(format!("'{text}=' stands in the query twice")));
            }
        }
        Ok(parsed)
    }

    /// The value of a parameter; empty if it has no `=`.
    pub(super) fn get(&self, name: Parameter) -> Option<&str> {
        self.values[name as usize].as_deref()
    }
}

fn known(name: &str) -> Option<(&'static str, Parameter)> {
    let name = decode(name)?;
    let name = if is_last_event_id(&name) {
        "lastEventId"
    } else {
        &name
    };
    NAMES.iter().find(|(text, _)| *text == name).copied()
}

/// Polyfills and hubs of events write it in several ways: `lastEventId`, `Last-Event-ID`.
fn is_last_event_id(name: &str) -> bool {
    let letters = name.bytes().filter(|b| !matches!(b, b'-' | b'_'));
    letters.map(|b| b.to_ascii_lowercase()).eq(*b"lasteventid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_place() {
        for (i, (_, name)) in NAMES.iter().enumerate() {
            assert_eq!(*name as usize, i);
        }
    }

    #[test]
    fn known_parameters_are_read_and_others_ignored() {
        let query = Query::parse(Some("x=1&after=a%3A1&x=2&%ff&mode&&to%6ben=a+b=&after2=%"));
        let query = query.map_err(|e| e.to_string()).expect("fine");
        assert_eq!(query.get(Parameter::After), Some("a:1"));
        assert_eq!(query.get(Parameter::Mode), Some(""));
        assert_eq!(query.get(Parameter::Token), Some("a+b="));
        assert_eq!(query.get(Parameter::Format), None);
    }

    #[test]
    fn of_what_polyfills_append_the_last_counts() {
        let get = |query: &str, name| {
            let query = Query::parse(Some(query)).map_err(|e| e.to_string());
            query.expect("fine").get(name).map(str::to_owned)
        };
        for (query, expected) in [
            ("after=a:1&after=a:2", Some("a:2")),
            ("after=a:1&after=", Some("a:1")),
            ("after=x&after=a:2", Some("a:2")),
            ("after=", None),
            ("after", None),
        ] {
            assert_eq!(get(query, Parameter::After).as_deref(), expected, "{query}");
        }
        for name in [
            "lastEventId",
            "lastEventID",
            "Last-Event-ID",
            "last_event_id",
            "lasteventid",
            "last%45ventId",
        ] {
            let query = format!("{name}=a:1&x=2&{name}=a:3");
            let found = get(&query, Parameter::LastEventId);
            assert_eq!(found.as_deref(), Some("a:3"), "{name}");
        }
        assert_eq!(get("lastEvent=a:1", Parameter::LastEventId), None);
    }

    #[test]
    fn a_known_parameter_twice_or_broken_is_refused() {
        for text in [
            "timeout=1s&timeout=1s",
            "token=a&%74oken=b",
            "mode&mode",
            "after=%",
            "token=%ff",
        ] {
            assert_eq!(
                Query::parse(Some(text)).err().map(|e| e.status()),
                Some(400),
                "{text}"
            );
        }
    }
}
