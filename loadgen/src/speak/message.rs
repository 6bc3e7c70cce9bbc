//! What is sent to servers that speak a protocol of their own: the first message of each
//! WebSocket, and what stands around a payload.
//!
//! Text as it is, or bytes as hexadecimal digits; lengths that a protocol wants in them are fixed,
//! since every payload of a run has the same size.

use serde::{Deserialize, Serialize};

use crate::base::failure::Failure;

/// What stands for the payload.
const PAYLOAD: &str = "{payload}";

/// One WebSocket message, where `{topic}` is replaced if it is text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// What a publication looks like.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Envelope {
    front: Message,
    back: Message,
}

/// An envelope with a topic in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrapping {
    /// Whether a WebSocket carries it as a binary message.
    pub is_binary: bool,
    /// In front of the payload.
    pub front: Vec<u8>,
    /// Behind it.
    pub back: Vec<u8>,
}

impl Message {
    /// From the text of `option`, or the digits of the same with `-hex`.
    ///
    /// # Errors
    /// When the digits are none.
    pub fn new(
        option: &str,
        text: Option<&str>,
        hex: Option<&str>,
    ) -> Result<Option<Self>, Failure> {
        match (text, hex) {
            (Some(text), _) => Ok(Some(Self::Text(text.to_owned()))),
            (None, Some(hex)) => Ok(Some(Self::Binary(bytes(option, hex)?))),
            (None, None) => Ok(None),
        }
    }

    /// Whether it is a binary message.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Its bytes for a topic.
    #[must_use]
    pub fn fill(&self, topic: &str) -> Vec<u8> {
        match self {
            Self::Text(text) => text.replace("{topic}", topic).into_bytes(),
            Self::Binary(bytes) => bytes.clone(),
        }
    }
}

impl Envelope {
    /// From `--message` or `--message-hex`; nothing around the payload without them.
    ///
    /// # Errors
    /// When there is not exactly one place for the payload, or the digits are none.
    pub fn new(text: Option<&str>, hex: Option<&str>) -> Result<Self, Failure> {
        let (option, form) = match (text, hex) {
            (Some(text), _) => ("--message", text),
            (None, Some(hex)) => ("--message-hex", hex),
            (None, None) => ("--message", PAYLOAD),
        };
        let wrong = || Failure::usage(format!("{option} {form}: {PAYLOAD} must be in it once"));
        let (front, back) = form.split_once(PAYLOAD).ok_or_else(wrong)?;
        if back.contains(PAYLOAD) {
            return Err(wrong());
        }
        let part = |part: &str| match (text, hex) {
            (None, Some(_)) => bytes("--message", part).map(Message::Binary),
            _ => Ok(Message::Text(part.to_owned())),
        };
        Ok(Self {
            front: part(front)?,
            back: part(back)?,
        })
    }

    /// The envelope of a topic.
    #[must_use]
    pub fn of(&self, topic: &str) -> Wrapping {
        Wrapping {
            is_binary: self.front.is_binary(),
            front: self.front.fill(topic),
            back: self.back.fill(topic),
        }
    }
}

impl Wrapping {
    /// Bytes that it adds to a payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    /// Whether it adds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn bytes(option: &str, digits: &str) -> Result<Vec<u8>, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "{option}-hex {digits}: two hexadecimal digits a byte, such as 0a1f"
        ))
    };
    let values: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let values = values.filter(|values| values.len() % 2 == 0);
    let values = values.ok_or_else(wrong)?;
    Ok(values
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_its_topic_and_bytes_are_as_they_are() {
        let text = Message::new("--on-open", Some("40/{topic},"), None).expect("a message");
        assert_eq!(text.map(|it| it.fill("a")), Some(b"40/a,".to_vec()));
        let bytes = Message::new("--on-open", None, Some("00fF7b")).expect("a message");
        assert_eq!(bytes, Some(Message::Binary(vec![0, 255, b'{'])));
        assert_eq!(Message::new("--on-open", None, None), Ok(None));
    }

    #[test]
    fn an_envelope_stands_around_the_payload() {
        let plain = Envelope::new(None, None).expect("an envelope").of("a");
        assert!(plain.is_empty() && !plain.is_binary);
        let text = Envelope::new(Some("42[\"{topic}\",\"{payload}\"]"), None);
        let text = text.expect("an envelope").of("a");
        assert_eq!(
            (&text.front[..], &text.back[..]),
            (&b"42[\"a\",\""[..], &b"\"]"[..])
        );
        let binary = Envelope::new(None, Some("3043{payload}")).expect("an envelope");
        let binary = binary.of("a");
        assert_eq!((binary.is_binary, binary.len()), (true, 2));
        assert_eq!(binary.front, [0x30, 0x43]);
    }

    #[test]
    fn mistakes_say_what_to_do() {
        let says = |text: Option<&str>, hex: Option<&str>, words: &str| {
            let failure = Envelope::new(text, hex).expect_err(words);
            assert!(failure.message.contains(words), "{failure}");
        };
        says(Some("42"), None, "{payload}");
        says(Some("{payload}{payload}"), None, "once");
        says(None, Some("3{payload}"), "--message-hex 3: two");
        says(None, Some("zz{payload}"), "two hexadecimal digits");
        let failure = Message::new("--on-open", None, Some("+1")).expect_err("no digits");
        assert!(failure.message.contains("--on-open-hex"), "{failure}");
    }
}
