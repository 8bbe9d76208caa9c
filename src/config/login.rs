//! A camera's login: `username` with `password_file` or `password_env`, read when the file is loaded. A password
//! file is read again while a camera refuses its password.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::address::{self, Address, Credentials};
use super::compile::{Context, mark_of};
use super::raw::Camera;
use super::read::{Located, quoted};
use crate::base::Secret;

/// A password file larger than this is no password file.
const MAX_BYTES: u64 = 4096;

/// What the camera's own keys say about its login; `None` when they say nothing, or nothing good.
pub(super) struct Login {
    username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
}

/// Reads the login, reporting a missing variable or file, and contradictions.
pub(super) fn read(context: &mut Context<'_>, camera: &Camera) -> Option<Login> {
    let password_mark = mark_of(&camera.password_env).or(mark_of(&camera.password_file));
    if let (Some(_), Some(second)) = (mark_of(&camera.password_file), mark_of(&camera.password_env)) {
        context.problems.error(second, "this camera has both `password_file` and `password_env`", "keep one of them");
    }
    let streams = camera.streams.get();
    let analysis = streams.and_then(|streams| streams.analysis.located());
    let evidence = streams.and_then(|streams| streams.evidence.located());
    let in_url =
        [camera.url.located(), analysis, evidence].into_iter().flatten().find_map(|url| {
            match address::parse(&url.value, context.folder) {
                Ok(Address::Network { credentials, .. }) => credentials,
                _ => None,
            }
        });
    if let (Some(_), Some(name)) = (&in_url, camera.username.located()) {
        let message = "the login is given twice: in the address and by `username`";
        context.problems.error(name.mark, message, "remove it from the address");
    } else if let (Some(login), Some(mark)) = (&in_url, password_mark) {
        if !login.password.expose().is_empty() {
            let message = "the password is given twice: in the address and here";
            context.problems.error(mark, message, "remove it from the address");
        }
    } else if let (None, None, Some(mark)) = (&in_url, mark_of(&camera.username), password_mark)
        && !camera.username.is_given()
    {
        context.problems.error(mark, "there is a password but no user", "add `username:`");
    }
    let from_file = camera.password_file.located().and_then(|file| from_file(context, file));
    let from_env = camera.password_env.located().and_then(|name| from_env(context, name));
    let login = Login {
        username: camera.username.get().cloned(),
        password: from_file.or(from_env),
        password_file: camera.password_file.get().map(|file| context.path(file)),
    };
    (login.username.is_some() || login.password.is_some()).then_some(login)
}

/// Adds the login to an address; a user in the address stays when the keys name none.
pub(super) fn give(address: &mut Address, login: &Login) {
    let Address::Network { credentials, .. } = address else { return };
    let known = credentials.take();
    let username = login.username.clone().or_else(|| known.as_ref().map(|known| known.username.clone()));
    let password = login.password.clone().or_else(|| known.map(|known| known.password));
    *credentials = username.map(|username| Credentials {
        username,
        password: password.unwrap_or_else(|| Secret::new("")),
        password_file: login.password_file.clone(),
    });
}

fn from_env(context: &mut Context<'_>, name: &Located<String>) -> Option<Secret> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.value.chars().all(word) {
        // It may be the password itself, so it is not repeated.
        let message = "this is not the name of an environment variable";
        context.problems.error(name.mark, message, "name the variable that holds the password, such as GATE_PASSWORD");
        return None;
    }
    let Some(value) = (context.env)(&name.value).filter(|value| !value.is_empty()) else {
        let message = format!("the environment variable `{}` is not set", name.value);
        context.problems.error(name.mark, message, "set it for this program, or use `password_file`");
        return None;
    };
    let password = value.to_str().map(Secret::new);
    if password.is_none() {
        let message = format!("the environment variable `{}` is not UTF-8", name.value);
        context.problems.error(name.mark, message, "set it again, or use `password_file`");
    }
    password
}

fn from_file(context: &mut Context<'_>, file: &Located<String>) -> Option<Secret> {
    match read_password(&context.path(&file.value)) {
        Ok(password) => Some(password),
        Err(problem) => {
            let message = format!("{} {problem}", quoted(&file.value));
            context.problems.error(file.mark, message, "name a file that holds the password and nothing else");
            None
        }
    }
}

/// Reads a password file: the password and nothing else; a line end is dropped.
///
/// # Errors
/// What is wrong with the file, to follow its name.
pub fn read_password(path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(why) => Err(format!("cannot be read: {why}")),
        Ok(_) if text.len() as u64 > MAX_BYTES => Err("is too large for a password".to_owned()),
        Ok(_) if text.trim_end_matches(['\r', '\n']).is_empty() => Err("is empty".to_owned()),
        Ok(_) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']))),
    }
}
