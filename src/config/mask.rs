//! Hides secrets in any text that may be shown: the excerpt of the file under an error, quoted values, messages.
//!
//! It works on raw text because an excerpt is shown even when the file does not parse. It would rather
//! hide too much than too little, and keeps byte and character positions, so that columns stay right.

/// `text` with what may be a secret replaced by stars, byte for byte and character for character:
/// - in `user:password@host`, with or without a scheme, all between the colon and the last `@`;
/// - the values of URL query parameters whose names hint at a secret;
/// - the values of keys whose names hint at a secret (`password`, `token`, …), nested blocks included.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut secret_block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        if let Some(key_indent) = secret_block {
            if line.trim().is_empty() || indent > key_indent {
                out.extend(line.chars().map(star));
                continue;
            }
            secret_block = None;
        }
        let line = mask_userinfo(line);
        let line = mask_query(&line);
        let (line, opens_block) = mask_keys(&line);
        if opens_block {
            secret_block = Some(indent);
        }
        out.push_str(&line);
    }
    out
}

/// A star that takes as many bytes as `c`; white space stays.
fn star(c: char) -> char {
    match (c, c.len_utf8()) {
        (c, _) if c.is_whitespace() => c,
        (_, 1) => '*',
        (_, 2) => '\u{00b7}',
        (_, 3) => '\u{2022}',
        _ => '\u{1f512}',
    }
}

fn hide(out: &mut String, secret: &str) {
    out.extend(secret.chars().map(star));
}

/// Splits a line at each `://` and at tokens, and hides from the first `:` after the start to the last `@`.
fn mask_userinfo(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    // Before the first `://` a secret can only be in a bare `user:password@host` token.
    let head = rest.find("://").map_or(rest.len(), |at| at + 3);
    let (before, after) = rest.split_at(head);
    if after.is_empty() {
        for token in before.split_inclusive(char::is_whitespace) {
            mask_between(&mut out, token);
        }
        return out;
    }
    out.push_str(before);
    rest = after;
    loop {
        let end = rest.find("://").map_or(rest.len(), |at| at + 3);
        let (authority, next) = rest.split_at(end);
        mask_between(&mut out, authority);
        if next.is_empty() {
            return out;
        }
        rest = next;
    }
}

fn mask_between(out: &mut String, part: &str) {
    let Some(at) = part.rfind('@') else { return out.push_str(part) };
    let (userinfo, host) = part.split_at(at);
    match userinfo.split_once(':') {
        Some((user, password)) => {
            out.push_str(user);
            out.push(':');
            hide(out, password);
        }
        None => out.push_str(userinfo),
    }
    out.push_str(host);
}

fn mask_query(line: &str) -> String {
    if !line.contains('?') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    for part in line.split_inclusive(['?', '&']) {
        match part.split_once('=') {
            Some((name, value)) if hints_at_secret(name) => {
                let end = value.find(|c: char| c.is_whitespace() || "&\"',}]".contains(c)).unwrap_or(value.len());
                let (secret, rest) = value.split_at(end);
                out.push_str(name);
                out.push('=');
                hide(&mut out, secret);
                out.push_str(rest);
            }
            _ => out.push_str(part),
        }
    }
    out
}

/// Hides the values of secret-looking keys on one line; true when such a key has its value on the next lines.
fn mask_keys(line: &str) -> (String, bool) {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(colon) =
        rest.find(": ").or_else(|| rest.trim_end().ends_with(':').then(|| rest.trim_end().len() - 1))
    {
        let (before, after) = rest.split_at(colon + 1);
        out.push_str(before);
        let key = before
            .trim_end_matches(':')
            .rsplit(['{', ',', ' ', '"', '\''])
            .find(|key| !key.is_empty())
            .unwrap_or_default();
        rest = after;
        if !hints_at_secret(key) || is_reference(key, after) {
            continue;
        }
        let value = after.trim();
        if value.is_empty() || value.starts_with(['|', '>']) {
            return (out + after, true);
        }
        // To the end of the line: a quoted secret may hold a comma or a brace.
        hide(&mut out, after);
        return (out, false);
    }
    out.push_str(rest);
    (out, false)
}

/// `password_file` and `password_env` name a place, not a secret, unless the value looks like no such name.
fn is_reference(key: &str, value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    key.ends_with("_file") || (key.ends_with("_env") && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

fn hints_at_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.rsplit(['?', '&', '/']).next().unwrap_or_default();
    // Not `signal` and `signals`, which are traffic's.
    let signs = name == "sig" || name.ends_with("_sig") || name.contains("signature");
    name == "key"
        || signs
        || ["pass", "pwd", "token", "apikey", "api_key", "_key", "secret", "auth"]
            .iter()
            .any(|hint| name.contains(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_positions_stay() {
        for (text, shown) in [
            ("url: rtsp://admin:hunter2@host/a", "url: rtsp://admin:*******@host/a"),
            ("url: rtsp://admin:p@ss/w#rd@host/a", "url: rtsp://admin:*********@host/a"),
            ("url: \"rtsp://admin:hunter 2@host\"", "url: \"rtsp://admin:****** *@host\""),
            ("{analysis: rtsp://a:b@h, evidence: http://c:d@h}", "{analysis: rtsp://a:*@h, evidence: http://c:*@h}"),
            ("url: admin:hunter2@host", "url: admin:*******@host"),
            ("url: http://h/a?user=bob&pwd=hunter2 # x", "url: http://h/a?user=bob&pwd=******* # x"),
            ("password: hunter2 # x", "password: ******* * *"),
            ("- {id: a, \"password\": hunter2}", "- {id: a, \"password\": ********"),
            ("password: |\n  hunter2\nurl: x", "password: |\n  *******\nurl: x"),
            ("password_file: /run/x", "password_file: /run/x"),
            ("password_env: GATE_1", "password_env: GATE_1"),
            ("password_env: hunter-2", "password_env: ********"),
            ("- {id: r, signal: main}", "- {id: r, signal: main}"),
            ("url: http://h/a?sig=hunter2", "url: http://h/a?sig=*******"),
            ("password: é", "password: \u{00b7}"),
            ("url: rtsp://10.0.0.1:554/a", "url: rtsp://10.0.0.1:554/a"),
            ("polygon: [[0.1, 0.2]]", "polygon: [[0.1, 0.2]]"),
        ] {
            assert_eq!(mask(text), shown);
            assert_eq!(mask(text).len(), text.len());
        }
    }
}
