//! What a client would rather have, from `Accept` (RFC 9110 §12.5.1).
//!
//! Nothing in it is an error: browsers, libraries and gateways fill it in. A member that is no
//! media range is left out, a weight that is none counts as none given, and where nothing that
//! the node has is acceptable the answer is the usual one.

use crate::metrics::Format;
use crate::wire::http::RequestHead;
use crate::wire::quoted::{split_unquoted, unquoted};

/// The answers of a topic without `mode=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TopicAnswer {
    Page,
    Events,
    Poll,
}

/// A weight of 1, in thousandths: there are no finer ones (RFC 9110 §12.4.2).
const WHOLE: u16 = 1000;

/// What a request for a topic wants: the page or events if they are named and nothing else is
/// wanted more. Between two that are wanted alike the one that stands first is taken, but events
/// before JSON: who names them reads them.
pub(super) fn wanted(head: &RequestHead) -> TopicAnswer {
    let accept = AcceptHeader::of(head);
    let poll = accept.covering("application/json");
    let page = accept.named("text/html", |_| true);
    let events = accept.named("text/event-stream", |_| true);
    if page.is_wanted() && page.goes_before(poll) && page.goes_before(events) {
        TopicAnswer::Page
    } else if events.is_wanted() && events.weight >= poll.weight {
        TopicAnswer::Events
    } else {
        TopicAnswer::Poll
    }
}

/// Which text of `/metrics` a request wants: OpenMetrics if it is named and not wanted less.
pub(super) fn metrics_format(head: &RequestHead) -> Format {
    let accept = AcceptHeader::of(head);
    let open = accept.named("application/openmetrics-text", |version| {
        matches!(version, None | Some("1.0.0" | "0.0.1"))
    });
    if open.is_wanted() && open.goes_before(accept.covering("text/plain")) {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// How much something is wanted.
#[derive(Clone, Copy)]
struct AcceptWeight {
    /// In thousandths; 0 is not at all.
    weight: u16,
    /// Where in the list it is said.
    place: usize,
}

impl AcceptWeight {
    const NONE: Self = Self {
        weight: 0,
        place: usize::MAX,
    };

    fn is_wanted(self) -> bool {
        self.weight > 0
    }

    fn goes_before(self, other: Self) -> bool {
        self.weight > other.weight || self.weight == other.weight && self.place < other.place
    }
}

/// The media ranges of a request, in their order.
struct AcceptHeader<'a>(Vec<Range<'a>>);

struct Range<'a> {
    /// `type/subtype`, where each may be a star.
    essence: &'a str,
    version: Option<&'a str>,
    weight: u16,
}

impl<'a> AcceptHeader<'a> {
    fn of(head: &'a RequestHead) -> Self {
        let lines = head.headers("Accept");
        let members = lines.flat_map(|line| match split_unquoted(line, ',') {
            Some(members) => members,
            None => line.split(',').collect(),
        });
        Self(members.filter_map(Range::parse).collect())
    }

    /// How much a media type is wanted that is named itself.
    fn named(&self, media_type: &str, takes: impl Fn(Option<&str>) -> bool) -> AcceptWeight {
        let ranges = self.0.iter().enumerate();
        let wishes = ranges
            .filter(|(_, range)| range.essence.eq_ignore_ascii_case(media_type))
            .filter(|(_, range)| takes(range.version))
            .map(|(place, range)| range.wish(place));
        wishes.fold(AcceptWeight::NONE, |best, wish| {
            let is_better = best.place == usize::MAX || wish.goes_before(best);
            if is_better { wish } else { best }
        })
    }

    /// How much a media type is wanted by the most specific range that covers it.
    fn covering(&self, media_type: &str) -> AcceptWeight {
        let whole_type = media_type.split('/').next().map(|t| format!("{t}/*"));
        let by_type = whole_type.unwrap_or_default();
        let wishes = [media_type, &by_type, "*/*"].map(|essence| self.named(essence, |_| true));
        let said = wishes.into_iter().find(|wish| wish.place != usize::MAX);
        said.unwrap_or(AcceptWeight::NONE)
    }
}

impl<'a> Range<'a> {
    fn parse(member: &'a str) -> Option<Self> {
        let parts = split_unquoted(member, ';').unwrap_or_else(|| member.split(';').collect());
        let mut parts = parts.into_iter().map(str::trim);
        // The JDK's oldest client writes a single star.
        let essence = match parts.next()? {
            "*" => "*/*",
            essence if essence.contains('/') => essence,
            _ => return None,
        };
        let mut range = Self {
            essence,
            version: None,
            weight: WHOLE,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = unquoted(value.trim());
            match name.trim() {
                "q" | "Q" => range.weight = weight(value).unwrap_or(WHOLE),
                name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
                _ => {}
            }
        }
        Some(range)
    }

    fn wish(&self, place: usize) -> AcceptWeight {
        let weight = self.weight;
        AcceptWeight { weight, place }
    }
}

/// `0.5` in thousandths; more than 1 is 1.
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || text.len() < 2 && whole.is_empty() {
        return None;
    }
    if whole.bytes().any(|b| b != b'0') {
        return Some(WHOLE);
    }
    let thousandths = fraction.bytes().chain(*b"000").take(3);
    Some(thousandths.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::tests::head;

    fn request(lines: &[&str]) -> RequestHead {
        let lines: String = lines
            .iter()
            .map(|line| format!("Accept: {line}\r\n"))
            .collect();
        head(&format!("GET / HTTP/1.1\r\n{lines}\r\n"))
    }

    #[test]
    fn a_topics_answer_is_the_one_that_is_wanted_most() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let old_browser = "application/xml,text/html;q=0.9,text/plain;q=0.8,*/*;q=0.5";
        for (lines, expected) in [
            (&[][..], TopicAnswer::Poll),
            (&[""], TopicAnswer::Poll),
            (&["*/*"], TopicAnswer::Poll),
            (&["application/json"], TopicAnswer::Poll),
            (&["image/avif,image/webp,*/*;q=0.8"], TopicAnswer::Poll),
            (&["text/*"], TopicAnswer::Poll),
            (&["application/vnd.a+json"], TopicAnswer::Poll),
            (&[browser], TopicAnswer::Page),
            (&[old_browser], TopicAnswer::Page),
            (&["text/html, */*"], TopicAnswer::Page),
            (&["TEXT/HTML ; q=1"], TopicAnswer::Page),
            (&["text/html;q=0.9"], TopicAnswer::Page),
            (
                &["text/html;level=\"1,2\", application/json"],
                TopicAnswer::Page,
            ),
            (&["application/json, text/html"], TopicAnswer::Poll),
            (&["application/json;q=0.5, text/html"], TopicAnswer::Page),
            (&["text/html;q=0.1, application/json"], TopicAnswer::Poll),
            (&["*/*, text/html"], TopicAnswer::Poll),
            (&["text/html;q=0"], TopicAnswer::Poll),
            (&["text/html;q=0.000, */*"], TopicAnswer::Poll),
            (&["text/html;q=0.0001"], TopicAnswer::Poll),
            (&["text/event-stream"], TopicAnswer::Events),
            (&["Text/Event-Stream; charset=utf-8"], TopicAnswer::Events),
            (&["text/event-stream, */*"], TopicAnswer::Events),
            (
                &["application/json, text/event-stream"],
                TopicAnswer::Events,
            ),
            (
                &["application/json", "text/event-stream"],
                TopicAnswer::Events,
            ),
            (&["text/event-stream;q=0"], TopicAnswer::Poll),
            (&["text/event-stream;q=0, */*"], TopicAnswer::Poll),
            (
                &["text/event-stream;q=0.5, application/json"],
                TopicAnswer::Poll,
            ),
            (
                &["text/event-stream;Q=0.5, application/json; q=.4"],
                TopicAnswer::Events,
            ),
            (
                &["text/event-stream, application/*;q=0.9"],
                TopicAnswer::Events,
            ),
            (&["text/event-stream;q=0.5, text/html"], TopicAnswer::Page),
            (&["text/event-stream, text/html"], TopicAnswer::Events),
            (&["text/html, text/event-stream"], TopicAnswer::Page),
            (&["text/html;q=0.5, text/event-stream"], TopicAnswer::Events),
            (
                &["text/html, image/gif, *; q=.2, */*; q=.2"],
                TopicAnswer::Page,
            ),
            (
                &["garbage, ;;, text/event-stream;q=soon"],
                TopicAnswer::Events,
            ),
            (&["\"open, text/event-stream"], TopicAnswer::Events),
        ] {
            assert_eq!(wanted(&request(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn openmetrics_is_only_for_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (lines, expected) in [
            (&[][..], Format::Text),
            (&["*/*"], Format::Text),
            (&["application/*"], Format::Text),
            (&["text/plain;version=0.0.4"], Format::Text),
            (&["text/html,*/*;q=0.8"], Format::Text),
            (&["application/json"], Format::Text),
            (&[prometheus], Format::OpenMetrics),
            (&["application/openmetrics-text"], Format::OpenMetrics),
            (
                &["Application/OpenMetrics-Text; version=\"1.0.0\""],
                Format::OpenMetrics,
            ),
            (
                &["application/openmetrics-text;version=0.0.1"],
                Format::OpenMetrics,
            ),
            (
                &["application/openmetrics-text;version=9.0.0"],
                Format::Text,
            ),
            (&["application/openmetrics-text;q=0"], Format::Text),
            (&["application/openmetrics-text;q=0.5, */*"], Format::Text),
            (
                &["application/openmetrics-text;q=0.5, */*;q=0.1"],
                Format::OpenMetrics,
            ),
            (
                &["application/openmetrics-text;q=0.5, text/plain;q=0.1, */*"],
                Format::OpenMetrics,
            ),
            (&["text/plain, application/openmetrics-text"], Format::Text),
            (
                &["application/openmetrics-text, text/plain"],
                Format::OpenMetrics,
            ),
            (
                &["text/plain;q=0, application/openmetrics-text;q=0.1"],
                Format::OpenMetrics,
            ),
            (
                &["text/plain;q=0.5", "application/openmetrics-text"],
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(metrics_format(&request(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn weights_are_read_to_the_thousandth() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("7", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.123456", Some(123)),
            (".2", Some(200)),
            ("0.", Some(0)),
            ("", None),
            (".", None),
            ("-1", None),
            ("0,5", None),
            ("1e3", None),
        ] {
            assert_eq!(weight(text), expected, "{text}");
        }
    }
}
