//! URLs, headers and messages as people may see them.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Method};
use memchr::{memchr_iter, memchr2_iter, memchr3_iter};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

/// Query members whose values may be shown. Everything else may hold a secret or personal data.
const SHOWN_QUERY: [&str; 17] = [
    "excludeHidden",
    "excludeSoftDeleted",
    "f",
    "format",
    "isPrevLink",
    "limit",
    "num",
    "offset",
    "order",
    "order_by",
    "orderby",
    "page",
    "pageSize",
    "pagesize",
    "per_page",
    "preview",
    "start",
];

/// Response headers whose values may be shown.
const SHOWN_HEADERS: [&str; 4] = ["content-length", "content-type", "date", "retry-after"];

/// Request headers whose values may be shown.
const SHOWN_REQUEST_HEADERS: [&str; 3] = ["accept", "content-type", "user-agent"];

const REDACTED: &str = "REDACTED";

/// Shorter secrets are not searched for: they would blank out ordinary words.
const SHORTEST_SECRET: usize = 4;

/// A URL without user, password, fragment, and query values outside the allow-list.
pub(crate) struct ShownUrl<'a>(pub(crate) &'a Url);

impl fmt::Display for ShownUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url) = self;
        write!(f, "{}{}", url.origin().ascii_serialization(), url.path())?;
        for (separator, pair) in query_pairs(url) {
            match pair.split_once('=') {
                Some((name, _)) if SHOWN_QUERY.contains(&name) => write!(f, "{separator}{pair}")?,
                Some((name, _)) => write!(f, "{separator}{name}={REDACTED}")?,
                None => write!(f, "{separator}{REDACTED}")?,
            }
        }
        Ok(())
    }
}

/// The members of a URL's query, each with the character that stands before it.
fn query_pairs(url: &Url) -> impl Iterator<Item = (char, &str)> {
    let pairs = url.query().into_iter().flat_map(|query| query.split('&'));
    std::iter::once('?').chain(std::iter::repeat('&')).zip(pairs)
}

/// A request as a shell command. Each value that must not be shown is a shell variable, named after its header or query
/// member.
pub(crate) struct CurlLine<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) has_body: bool,
    pub(crate) secrets: Secrets<'a>,
}

impl fmt::Display for CurlLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, headers, has_body, secrets } = self;
        write!(f, "curl --request {method}")?;
        for (name, value) in *headers {
            let shown = SHOWN_REQUEST_HEADERS.contains(&name.as_str());
            match value.to_str().ok().filter(|_| shown) {
                Some(value) => {
                    write!(f, " --header \"{name}: {}\"", Quoted(&secrets.scrub(value)))?;
                }
                None => write!(f, " --header \"{name}: ${}\"", Variable(name.as_str()))?,
            }
        }
        if *has_body {
            f.write_str(" --data-binary \"$BODY\"")?;
        }
        let address = format!("{}{}", url.origin().ascii_serialization(), url.path());
        write!(f, " \"{}", Quoted(&secrets.scrub(&address)))?;
        for (separator, pair) in query_pairs(url) {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            if SHOWN_QUERY.contains(&name) {
                write!(f, "{separator}{name}={}", Quoted(&secrets.scrub(value)))?;
            } else {
                let name = secrets.scrub(name);
                write!(f, "{separator}{}=${}", Quoted(&name), Variable(&name))?;
            }
        }
        f.write_str("\"")
    }
}

/// Inside double quotes of a shell.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        for letter in self.0.chars() {
            if matches!(letter, '"' | '$' | '`' | '\\' | '!') {
                f.write_char('\\')?;
            }
            f.write_char(if letter.is_control() { '?' } else { letter })?;
        }
        Ok(())
    }
}

/// The name of a shell variable, such as `X_API_KEY` for `x-api-key`.
struct Variable<'a>(&'a str);

impl fmt::Display for Variable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        let name = if self.0.is_empty() { "QUERY" } else { self.0 };
        for letter in name.chars() {
            let plain = letter.is_ascii_alphanumeric();
            f.write_char(if plain { letter.to_ascii_uppercase() } else { '_' })?;
        }
        Ok(())
    }
}

/// Headers with the values of all but a few replaced.
pub(crate) struct ShownHeaders<'a>(pub(crate) &'a HeaderMap);

impl fmt::Debug for ShownHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let value =
                SHOWN_HEADERS.contains(&name.as_str()).then(|| value.to_str().ok()).flatten();
            (name, value.unwrap_or(REDACTED))
        });
        f.debug_map().entries(shown).finish()
    }
}

/// A text from outside, for one line of a message: control characters are escaped, and more than 1,000 characters cut off.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        let mut letters = self.0.chars();
        for letter in letters.by_ref().take(1000) {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        if letters.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// The secrets of one call: what must never be printed, even when the server sends it back.
#[derive(Clone, Copy)]
pub(crate) struct Secrets<'r> {
    pub(crate) hidden: &'r [SecretString],
    /// Those that are sensitive.
    pub(crate) headers: &'r HeaderMap,
}

impl Secrets<'_> {
    /// The texts to hide: of a header `Bearer abc` also `abc`, wherever it stands.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let sensitive = self.headers.values().filter(|value| value.is_sensitive());
        let sent = sensitive.flat_map(|value| {
            let text = value.as_bytes();
            let space = text.iter().position(|byte| *byte == b' ');
            std::iter::once(text).chain(space.and_then(|space| text.get(space + 1..)))
        });
        self.hidden.iter().map(|secret| secret.expose_secret().as_bytes()).chain(sent)
    }

    pub(crate) fn contain(&self, secret: &str) -> bool {
        self.texts().any(|known| known == secret.as_bytes())
    }

    /// The text with every known secret replaced, in whatever case, also in the encodings that servers
    /// commonly write it in.
    pub(crate) fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        // All are looked for in the text as it came: a secret that is part of another one must not tear it apart.
        let mut places = Vec::new();
        let letters = LazyCell::new(|| Letters::of(text.as_bytes()));
        // However it is written, a secret takes no less room than it is long.
        let lengths = SHORTEST_SECRET..=text.len();
        for secret in self.texts().filter(|secret| lengths.contains(&secret.len())) {
            if letters.may_hold(secret) {
                find(secret, text.as_bytes(), &mut places);
            }
            // Base64 is the shorter of the two.
            let has_room = text.len() >= secret.len() + secret.len() / 3;
            if has_room && may_hold_encoded(secret, text.as_bytes(), *letters) {
                for encoded in encodings(secret) {
                    find(encoded.as_bytes(), text.as_bytes(), &mut places);
                }
            }
        }
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        places.sort_unstable_by_key(|place| place.start);
        let mut scrubbed = String::with_capacity(text.len());
        let mut done = 0;
        for place in places {
            if place.start >= done {
                scrubbed.push_str(text.get(done..place.start).unwrap_or_default());
                scrubbed.push_str(REDACTED);
            }
            done = done.max(place.end);
        }
        scrubbed.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(scrubbed)
    }

    /// As [`scrub`](Self::scrub), for every text inside a JSON value.
    pub(crate) fn scrub_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(scrubbed) = self.scrub(text) {
                    *text = scrubbed;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_value(item)),
            Value::Object(members) => {
                let named = std::mem::take(members);
                members.extend(named.into_iter().map(|(name, mut member)| {
                    self.scrub_value(&mut member);
                    (self.scrub(&name).into_owned(), member)
                }));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Which letters a text has, in either case. Some letters share a bit, so it may have a letter fewer than it seems. The request
/// id of each response is searched, and most ids are known by their letters to hold no secret.
#[derive(Clone, Copy)]
struct Letters(u64);

impl Letters {
    /// A secret that is escaped, percent-encoded or a field of a form has one of them where it differs.
    const SIGNS: u64 = Self::bit(b'%') | Self::bit(b'\\') | Self::bit(b'&') | Self::bit(b'+');

    fn of(text: &[u8]) -> Self {
        Self(text.iter().fold(0, |letters, letter| letters | Self::bit(*letter)))
    }

    /// The same for both cases of a letter, which differ in the sixth bit only.
    const fn bit(letter: u8) -> u64 {
        1 << ((letter & 0b1_1111) | (letter >> 1 & 0b10_0000))
    }

    fn have_all(self, text: &[u8]) -> bool {
        text.iter().all(|letter| self.0 & Self::bit(*letter) != 0)
    }

    /// Whether the text may hold the secret, as it is or as [`after_byte`] reads it.
    fn may_hold(self, secret: &[u8]) -> bool {
        self.0 & Self::SIGNS != 0 || self.have_all(secret)
    }
}

/// Whether the text holds what the first bytes of the secret are in base64 or hexadecimal.
fn may_hold_encoded(secret: &[u8], text: &[u8], letters: Letters) -> bool {
    let mut base64 = [0; 4];
    let Some(first @ &[one, two, _]) = secret.first_chunk::<3>() else { return false };
    let ([a, b], [c, d]) = (in_hex(one), in_hex(two));
    let is_written = STANDARD_NO_PAD.encode_slice(first, &mut base64).is_ok();
    // These differ between the alphabets, and may be percent-encoded.
    let is_certain = is_written && base64.iter().all(u8::is_ascii_alphanumeric);
    let holds = |start: [u8; 4]| {
        letters.have_all(&start)
            && places_of(start[0], text).any(|at| {
                text.get(at..at + 4).is_some_and(|four| four.eq_ignore_ascii_case(&start))
            })
    };
    !is_certain || holds(base64) || holds([a, b, c, d])
}

/// A whole secret in base64, with either alphabet, and in hexadecimal. Padding may follow.
fn encodings(secret: &[u8]) -> [String; 3] {
    let hex = secret.iter().flat_map(|byte| in_hex(*byte)).map(char::from);
    [STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret), hex.collect()]
}

fn in_hex(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
}

/// Names of members that hold a credential, without `_` and `-`. Only names that nothing else has.
const CREDENTIALS: [&str; 6] =
    ["apikey", "accesstoken", "refreshtoken", "clientsecret", "password", "authorization"];

/// Whether a member of this name holds a credential.
fn is_credential(name: &str) -> bool {
    let plain = || name.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' '));
    CREDENTIALS.iter().any(|known| plain().map(|byte| byte.to_ascii_lowercase()).eq(known.bytes()))
}

/// An id, or a part of one, without the credentials that it names: members of JSON become null, `api_key=…` loses its value.
pub(crate) fn without_credentials(text: &str) -> Cow<'_, str> {
    if text.contains(['{', '['])
        && let Ok(mut value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text)
    {
        let kept = cut_credentials(&mut value).then(|| value.to_string());
        return kept.map_or(Cow::Borrowed(text), Cow::Owned);
    }
    // Pairs of a query or a form, in a URL or by themselves.
    let mut kept = String::new();
    let mut done = 0;
    for (equals, _) in text.match_indices('=') {
        let before = text.get(..equals).unwrap_or_default();
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        let start = before.trim_end_matches(is_name).len();
        if equals < done || !is_credential(before.get(start..).unwrap_or_default()) {
            continue;
        }
        let rest = text.get(equals + 1..).unwrap_or_default();
        let ends = |letter: char| matches!(letter, '&' | ';' | '"' | '#') || letter.is_whitespace();
        kept.push_str(text.get(done..=equals).unwrap_or_default());
        done = equals + 1 + rest.find(ends).unwrap_or(rest.len());
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(kept)
}

/// As [`without_credentials`], for a JSON value and the JSON in its texts. True if it names a credential, with or without a value.
pub(crate) fn cut_credentials(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => {
            let mut found = false;
            for (name, member) in members {
                if is_credential(name) {
                    (*member, found) = (Value::Null, true);
                } else {
                    found |= cut_credentials(member);
                }
            }
            found
        }
        Value::Array(items) => {
            let mut found = false;
            for item in items {
                found |= cut_credentials(item);
            }
            found
        }
        Value::String(text) => match without_credentials(text) {
            Cow::Owned(kept) => {
                *text = kept;
                true
            }
            Cow::Borrowed(_) => false,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Adds where the secret stands in the text, overlaps included.
fn find(secret: &[u8], text: &[u8], places: &mut Vec<Range<usize>>) {
    // However it is written, a secret takes no less room than it is long.
    let (Some(first), Some(room)) = (secret.first(), text.len().checked_sub(secret.len())) else {
        return;
    };
    let starts = text.get(..=room).unwrap_or_default();
    // An encoded secret begins with one of these signs.
    let encoded = memchr3_iter(b'%', b'\\', b'&', starts).chain(memchr_iter(b'+', starts));
    for start in places_of(*first, starts).chain(encoded) {
        if let Some(length) = text.get(start..).and_then(|rest| length_at_start(secret, rest)) {
            places.push(start..start + length);
        }
    }
}

/// Where a letter is in the text, in either case.
fn places_of(letter: u8, text: &[u8]) -> impl Iterator<Item = usize> {
    memchr2_iter(letter.to_ascii_lowercase(), letter.to_ascii_uppercase(), text)
}

/// How long the secret is at the start of the text; `None` if the text begins with something else.
fn length_at_start(secret: &[u8], text: &[u8]) -> Option<usize> {
    if text.get(..secret.len())?.eq_ignore_ascii_case(secret) {
        return Some(secret.len());
    }
    // Percent-encoded once, then twice: which of the two it is cannot be seen at a single percent sign.
    [false, true].into_iter().find_map(|twice| {
        let rest = secret.iter().try_fold(text, |rest, byte| after_byte(*byte, rest, twice))?;
        Some(text.len() - rest.len())
    })
}

/// The text behind a byte of a secret, as it is or encoded. `None` if the text begins with something else.
fn after_byte(byte: u8, text: &[u8], twice: bool) -> Option<&[u8]> {
    let is_byte = |high: &u8, low: &u8| of_hex(*high, *low) == Some(byte);
    match text {
        [b'%', b'2', b'5', high, low, rest @ ..] if twice && is_byte(high, low) => Some(rest),
        [b'%', b'2', b'B' | b'b', rest @ ..] if twice && byte == b' ' => Some(rest),
        [b'%', high, low, rest @ ..] if is_byte(high, low) => Some(rest),
        [b'+', rest @ ..] if byte == b' ' => Some(rest),
        [b'\\', b'u' | b'U', b'0', b'0', high, low, rest @ ..] if is_byte(high, low) => Some(rest),
        [b'&', entity @ ..] if after_entity(byte, entity).is_some() => after_entity(byte, entity),
        [b'\\', letter, rest @ ..] | [letter, rest @ ..] if letter.eq_ignore_ascii_case(&byte) => {
            Some(rest)
        }
        _ => None,
    }
}

/// The text behind a byte that HTML has as a character reference: by its name, or by its number. The `&` was read.
fn after_entity(byte: u8, text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().take(10).position(|letter| *letter == b';')?;
    let name = str::from_utf8(text.get(..end)?).ok()?.to_ascii_lowercase();
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix('x') {
            Some(number) => u8::from_str_radix(number, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => match &*name {
            "amp" => b'&',
            "lt" => b'<',
            "gt" => b'>',
            "quot" => b'"',
            "apos" => b'\'',
            _ => return None,
        },
    };
    text.get(end + 1..).filter(|_| number == byte)
}

fn of_hex(high: u8, low: u8) -> Option<u8> {
    let digit =
        |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_only_the_query_values_that_are_allowed() {
        for (url, shown) in [
            (
                "https://u:canary@host/a/b?limit=5&token=canary#canary",
                "https://host/a/b?limit=5&token=REDACTED",
            ),
            (
                "https://host/?json=%7B%22api_key%22%3A%22canary%22%7D",
                "https://host/?json=REDACTED",
            ),
            ("https://host/x?canary", "https://host/x?REDACTED"),
            (
                "https://host/x?order=desc&order_by=created_at&filter=canary",
                "https://host/x?order=desc&order_by=created_at&filter=REDACTED",
            ),
            (
                "http://host:81/x?a=canary&start=2020-01-01",
                "http://host:81/x?a=REDACTED&start=2020-01-01",
            ),
        ] {
            assert_eq!(ShownUrl(&Url::parse(url).unwrap()).to_string(), shown);
        }
    }

    #[test]
    fn known_secrets_are_cut_out_of_whatever_the_server_says() {
        // The second is too short to search for, and a secret all the same.
        let hidden = ["can/ary+1", "abc"].map(SecretString::from);
        let secrets = Secrets { hidden: &hidden, headers: &HeaderMap::new() };
        assert!(secrets.contain("abc") && !secrets.contain("ab"));
        assert_eq!(secrets.scrub("bad token can/ary+1, abc"), "bad token REDACTED, abc");
        assert_eq!(secrets.scrub("?t=can%2Fary%2B1"), "?t=REDACTED");
        // Servers encode in their own way, and lower the case of host names.
        for sent_back in ["can%2fary%2b1", "%63an/ary%2B1", r"can\/ary+1", "CAN/ARY+1"] {
            assert_eq!(secrets.scrub(sent_back), "REDACTED", "{sent_back}");
        }
        for sent_back in [
            "can&#x2F;ary&#43;1",
            "CAN&#47;ary&#x2b;1",
            "can%252Fary%252B1",
            "%2563an%252fary%252b1",
            r"can\u002fary\u002B1",
            "63616e2f6172792b31",
            "63616E2F6172792B31",
            "Y2FuL2FyeSsx",
        ] {
            assert_eq!(secrets.scrub(sent_back), "REDACTED", "{sent_back}");
        }
        let mut value = serde_json::json!({"can/ary+1": ["x can/ary+1", 1, null]});
        secrets.scrub_value(&mut value);
        assert_eq!(value, serde_json::json!({"REDACTED": ["x REDACTED", 1, null]}));
        for (secret, sent) in [
            ("a canary's", "a+canary%27s"),
            ("canary~", "canary%7E"),
            ("a canary's", "a%2Bcanary%2527s"),
            ("a canary's", "a%2520canary&#039;s"),
            ("a canary's", "a canary&apos;s"),
            ("<&\"canary\">", "&lt;&amp;&quot;canary&quot;&gt;"),
            ("can%ary", "can%25ary"),
            ("can%ary", "can%2525ary"),
            ("can>>>ary?", "Y2FuPj4+YXJ5Pw"),
            ("can>>>ary?", "Y2FuPj4-YXJ5Pw"),
            ("can>>>ary?", "Y2FuPj4%2BYXJ5Pw"),
        ] {
            let secrets =
                Secrets { hidden: &[SecretString::from(secret)], headers: &HeaderMap::new() };
            assert_eq!(
                secrets.scrub(&format!("password={sent}&f=json")),
                "password=REDACTED&f=json"
            );
        }
    }

    #[test]
    fn letters_that_may_stand_for_each_other_share_a_bit() {
        for (one, other) in (0..=u8::MAX).flat_map(|one| (0..=u8::MAX).map(move |two| (one, two))) {
            let same = Letters::bit(one) == Letters::bit(other);
            assert!(same || !one.eq_ignore_ascii_case(&other), "{one} {other}");
            // Otherwise the shortcut would spare no work.
            let are_words = one.is_ascii_alphanumeric() && other.is_ascii_alphanumeric();
            assert!(!same || !are_words || one.eq_ignore_ascii_case(&other), "{one} {other}");
        }
        for sign in [b'%', b'\\', b'&', b'+'] {
            assert!(Letters::of(&[b'x', sign]).may_hold(b"canary"));
        }
        assert!(Letters::of(b"a CANARY").may_hold(b"canary"));
        assert!(!Letters::of(b"a CANAR").may_hold(b"canary"));
    }

    #[test]
    fn a_secret_that_is_part_of_another_one_shows_nothing_of_it() {
        let hidden = ["canary", "canary-123", "23-more", "a b%25"].map(SecretString::from);
        let secrets = Secrets { hidden: &hidden, headers: &HeaderMap::new() };
        assert_eq!(secrets.scrub("x canary-123 y"), "x REDACTED y");
        assert_eq!(secrets.scrub("canary-123-more, canary"), "REDACTED, REDACTED");
        assert_eq!(secrets.scrub("a b%25 a+b%2525 a%20b%2525"), "REDACTED REDACTED REDACTED");
        assert_eq!(secrets.scrub("üanary 10%"), "üanary 10%");
    }

    #[test]
    fn credentials_are_cut_out_of_an_id_by_their_names() {
        for (id, kept) in [
            (r#"{"ds":"GA","api_key":"canary"}"#, r#"{"api_key":null,"ds":"GA"}"#),
            (r#"{"a":[{"API-Key":{"x":"canary"}}]}"#, r#"{"a":[{"API-Key":null}]}"#),
            (r#"{"settings":"{\"apiKey\":\"canary\"}"}"#, r#"{"settings":"{\"apiKey\":null}"}"#),
            (r#"{"a":"[\"{\\\"password\\\":1}\"]"}"#, r#"{"a":"[\"{\\\"password\\\":null}\"]"}"#),
            (
                r#"{"url":"https://h/x?api_key=canary&b=1"}"#,
                r#"{"url":"https://h/x?api_key=&b=1"}"#,
            ),
            ("https://h/x?a=b&client_secret=canary#c", "https://h/x?a=b&client_secret=#c"),
        ] {
            assert_eq!(without_credentials(id), kept);
            assert_eq!(without_credentials(kept), kept, "once is enough");
        }
        for id in
            ["nightly", "a=b", "{", r#"{ "b":1,"a":"password" }"#, "api_key", "x_password_y=1"]
        {
            assert!(matches!(without_credentials(id), Cow::Borrowed(same) if same == id), "{id}");
        }
    }

    #[test]
    fn a_text_from_outside_stays_on_one_line_and_ends() {
        let text = format!("a\r\n\u{1b}[31mü{}", "x".repeat(2000));
        let shown = Printable(&text).to_string();
        assert!(shown.starts_with("a\\r\\n\\u{1b}[31mü"), "{shown}");
        assert!(shown.chars().count() < 1100 && shown.ends_with('…'));
    }

    #[test]
    fn headers_show_values_from_an_allow_list_only() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/html".parse().unwrap());
        headers.insert("x-echo", "canary".parse().unwrap());
        assert_eq!(
            format!("{:?}", ShownHeaders(&headers)),
            r#"{"content-type": "text/html", "x-echo": "REDACTED"}"#
        );
    }
}
