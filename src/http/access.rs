//! Who a client is: nobody in particular, or one that has the publish key.

use subtle::ConstantTimeEq;

use super::{Policy, bad_request};
use crate::config::Anonymous;
use crate::wire::http::{HttpError, RequestHead};

/// Whom the policy has before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Identity {
    /// A client without a key.
    Anonymous,
    /// A client with the publish key.
    Publisher,
}

impl Identity {
    /// Reads the key from `Authorization: Bearer` or from `token`, which mean the same.
    ///
    /// # Errors
    /// 401 for a wrong key, even where none is needed: the client would not do what it thinks.
    /// 400 for two keys.
    pub(super) fn of(
        head: &RequestHead,
        token: Option<&str>,
        policy: &Policy,
    ) -> Result<Self, HttpError> {
        let key = match (bearer(head)?, token) {
            (Some(bearer), Some(token))
                if !bool::from(bearer.as_bytes().ct_eq(token.as_bytes())) =>
            {
                return Err(bad_request("'token=' and the Authorization header differ"));
            }
            (Some(key), _) | (None, Some(key)) => key,
            (None, None) => return Ok(Self::Anonymous),
        };
        match &policy.publish_key {
            Some(expected) if expected.matches(key.as_bytes()) => Ok(Self::Publisher),
            Some(_) => Err(unauthorized("the key is wrong")),
            None => Err(unauthorized("this node has no key: leave yours out")),
        }
    }

    /// # Errors
    /// 401 with a key that could be given, 403 where there is none.
    pub(super) fn check_may_subscribe(self, policy: &Policy) -> Result<(), HttpError> {
        self.check(
            policy,
            policy.anonymous >= Anonymous::Subscribe,
            "subscribe",
        )
    }

    /// # Errors
    /// 401 with a key that could be given, 403 where there is none.
    pub(super) fn check_may_publish(self, policy: &Policy) -> Result<(), HttpError> {
        self.check(policy, self.may_publish(policy), "publish")
    }

    /// # Errors
    /// 401 with a key that could be given, 403 where there is none. Without a key, the pages are
    /// for those who may publish.
    pub(super) fn check_may_see_pages(self, policy: &Policy) -> Result<(), HttpError> {
        let open = policy.publish_key.is_none() && policy.anonymous == Anonymous::Publish;
        self.check(policy, open, "see the pages of this node")
    }

    pub(super) fn may_publish(self, policy: &Policy) -> bool {
        self == Self::Publisher || policy.anonymous == Anonymous::Publish
    }

    fn check(self, policy: &Policy, open: bool, what: &str) -> Result<(), HttpError> {
        if open || self == Self::Publisher {
            return Ok(());
        }
        if policy.publish_key.is_some() {
            let message = format!("to {what}, send 'Authorization: Bearer KEY' or '?token=KEY'");
            return Err(unauthorized(message));
        }
        let message =
            format!("nobody may {what} here: the node needs --publish-key or --anonymous");
        Err(HttpError::new(403, "forbidden", message))
    }
}

/// The key of an `Authorization: Bearer`. Other schemes belong to a proxy in front of us.
fn bearer(head: &RequestHead) -> Result<Option<&str>, HttpError> {
    let mut values = head.headers("Authorization");
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(bad_request("there are several Authorization headers"));
    }
    let key = first
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim_start_matches(' '));
    Ok(key)
}

fn unauthorized(message: impl Into<std::borrow::Cow<'static, str>>) -> HttpError {
    HttpError::new(401, "unauthorized", message).with_header("WWW-Authenticate", "Bearer")
}
