//! Who may call, and where tokens are handed out.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::FakeArcGis;
use super::answers::{Answer, Api, Reply};
use super::calls::{Call, cannot_be};
use super::state::State;

/// Minutes a token lasts if nobody says otherwise.
pub(super) const DEFAULT_MINUTES: i64 = 120;
/// More than this is cut to this, without a word.
const MOST_MINUTES: i64 = 20_160;
/// The only address callers of the fake have.
const ADDRESS: &str = "127.0.0.1";

/// A token that was handed out.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) user: &'static str,
    /// Made for an app, not for a person.
    pub(super) app: bool,
    /// The `Referer` it works with, if it is bound to one.
    pub(super) referer: Option<String>,
    pub(super) expires: DateTime<Utc>,
}

/// Who calls.
pub(super) struct Caller {
    pub(super) user: &'static str,
    /// May do what administrators may.
    pub(super) administrator: bool,
}

impl State {
    /// A token in a header, in the form, or in both; they must be the same one.
    pub(super) fn caller(&self, call: &Call, api: Api) -> Result<Caller, Answer> {
        let mut given = call.header_tokens.iter().chain(&call.form_token);
        let first = given.next().filter(|token| !token.is_empty());
        let first = first.ok_or_else(Answer::token_required)?;
        if api != Api::Sharing && call.method == "POST" && call.form_token.is_none() {
            return Err(Answer::token_required());
        }
        let known = self.tokens.iter().find(|token| token.text == *first);
        let valid = known.filter(|token| {
            token.expires > Utc::now()
                && (token.referer.is_none() || token.referer == call.referer)
                && given.all(|other| other == first)
        });
        let token = valid.ok_or_else(Answer::invalid_token)?;
        let administrator = token.user == FakeArcGis::USERNAME && !token.app;
        Ok(Caller { user: token.user, administrator })
    }

    /// Hands out a token that lasts this many minutes; gives it back with its end.
    pub(super) fn mint(
        &mut self,
        user: &'static str,
        app: bool,
        referer: Option<String>,
        minutes: i64,
    ) -> (String, DateTime<Utc>) {
        let expires = self.desk.now() + TimeDelta::minutes(minutes);
        let text = format!("fake-{}..{}", self.new_id(), self.new_id());
        self.tokens.push(Token { text: text.clone(), user, app, referer, expires });
        (text, expires)
    }

    /// `generateToken` and `oauth2/token`.
    pub(super) fn token_request(&mut self, call: &Call) -> Reply {
        call.check(Api::Sharing)?;
        if call.method != "POST" {
            return Err(Answer::error(405, "Tokens are handed out by POST."));
        }
        if call.parts.iter().any(|part| part == "oauth2") {
            self.app_token(call)
        } else {
            self.user_token(call)
        }
    }

    fn user_token(&mut self, call: &Call) -> Reply {
        call.only(&["username", "password", "client", "referer", "ip", "expiration"])?;
        let minutes = minutes(call)?;
        let referer = match call.required("client")? {
            "referer" => Some(call.required("referer")?.to_owned()),
            "ip" if call.required("ip")? == ADDRESS => None,
            // Nobody calls from there, so that the token never fits.
            "ip" => Some(String::new()),
            "requestip" => None,
            other => return Err(cannot_be("client", other)),
        };
        let users = [FakeArcGis::USERNAME, FakeArcGis::COLLEAGUE];
        let user = users.into_iter().find(|user| call.field("username") == Some(*user));
        let user = user.filter(|_| call.field("password") == Some(FakeArcGis::PASSWORD));
        let user = user.ok_or_else(|| Answer::bad_request("username or password is wrong"))?;
        let (token, expires) = self.mint(user, false, referer, minutes);
        let expires = expires.timestamp_millis();
        let expires =
            if self.expires_as_text { Value::from(expires.to_string()) } else { expires.into() };
        Ok(Answer::Data(json!({ "token": token, "expires": expires, "ssl": false })))
    }

    /// For the app, which is its owner with fewer rights.
    fn app_token(&mut self, call: &Call) -> Reply {
        call.only(&["client_id", "client_secret", "grant_type", "expiration"])?;
        let minutes = minutes(call)?;
        if call.field("grant_type") != Some("client_credentials") {
            return Err(Answer::oauth("unsupported_grant_type", "only apps get tokens here"));
        }
        if call.field("client_id") != Some(FakeArcGis::CLIENT_ID) {
            return Err(Answer::oauth("invalid_client_id", "there is no such client_id"));
        }
        if call.field("client_secret") != Some(FakeArcGis::CLIENT_SECRET) {
            return Err(Answer::oauth("invalid_client_secret", "the client_secret is wrong"));
        }
        let (token, _) = self.mint(FakeArcGis::USERNAME, true, None, minutes);
        Ok(Answer::Data(json!({ "access_token": token, "expires_in": minutes * 60, "ssl": false })))
    }
}

/// How long a token is to last.
fn minutes(call: &Call) -> Result<i64, Answer> {
    match call.number("expiration")? {
        None => Ok(DEFAULT_MINUTES),
        Some(minutes) if minutes < 1 => Err(cannot_be("expiration", &minutes.to_string())),
        Some(minutes) => Ok(minutes.min(MOST_MINUTES)),
    }
}
