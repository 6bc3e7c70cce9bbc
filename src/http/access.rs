//! Who a client is: nobody in particular, or one that has the publish key.

use super::Policy;
use crate::config::{Anonymous, ForeignTokens};
use crate::wire::http::{HttpError, RequestHead};
use crate::wire::subprotocol;

/// Whom the policy has before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Identity {
    /// A client without a key.
    Anonymous,
    /// A client with a token that is not the key: gateways hand on those of other applications.
    Foreign,
    /// A client with the publish key.
    Publisher,
}

impl Identity {
    /// Reads the key from `Authorization: Bearer`, from `token`, or from a WebSocket's
    /// subprotocols, which all mean the same. A gateway may put its own token beside the client's.
    ///
    /// # Errors
    /// Where foreign tokens are refused, 401 for each that is not the key, even where none is
    /// needed.
    pub(super) fn of(
        head: &RequestHead,
        token: Option<&str>,
        policy: &Policy,
    ) -> Result<Self, HttpError> {
        let (mut own, mut foreign) = (false, false);
        let is_key = |token: &str| {
            let key = policy.publish_key.as_ref();
            key.is_some_and(|key| key.matches(token.as_bytes()))
        };
        let mut see = |token: &str| match is_key(token) {
            true => own = true,
            false => foreign = true,
        };
        head.headers("Authorization")
            .filter_map(bearer)
            .for_each(&mut see);
        token
            .filter(|token| !token.is_empty())
            .into_iter()
            .for_each(&mut see);
        subprotocol::tokens(head).for_each(|token| see(&token));
        match (own, foreign) {
            (_, true) if policy.foreign_tokens == ForeignTokens::Refuse => Err(refused(policy)),
            (true, _) => Ok(Self::Publisher),
            (false, true) => Ok(Self::Foreign),
            (false, false) => Ok(Self::Anonymous),
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
            let wrong = if self == Self::Foreign {
                "the key is wrong: "
            } else {
                ""
            };
            let message =
                format!("{wrong}to {what}, send 'Authorization: Bearer KEY' or '?token=KEY'");
            return Err(unauthorized(message));
        }
        let message =
            format!("nobody may {what} here: the node needs --publish-key or --anonymous");
        Err(HttpError::new(403, "forbidden", message))
    }
}

/// The key of an `Authorization: Bearer`. Other schemes belong to a proxy in front of us.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| key.trim_start_matches(' '))
}

fn refused(policy: &Policy) -> HttpError {
    unauthorized(if policy.publish_key.is_some() {
        "the key is wrong"
    } else {
        "this node has no key: leave yours out"
    })
}

fn unauthorized(message: impl Into<std::borrow::Cow<'static, str>>) -> HttpError {
    HttpError::new(401, "unauthorized", message).with_header("WWW-Authenticate", "Bearer")
}
