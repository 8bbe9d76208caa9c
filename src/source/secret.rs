//! Waiting for another password after the camera refused this one.

use std::time::Duration;

use super::Credentials;
use crate::base::{Clock, Stop};
use crate::config::read_password;

/// How often the password file is looked at meanwhile.
const LOOK: Duration = Duration::from_secs(2);

/// How the wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited {
    /// The time is over.
    Over,
    /// The file holds another password; the credentials have it now.
    Changed,
    /// We were asked to stop.
    Stopped,
}

/// Waits for `pause`, or until the password file holds something else than was refused. A file that cannot be
/// read just now is being written, or was taken away: the old password stays.
pub fn wait(credentials: Option<&mut Credentials>, pause: Duration, clock: &dyn Clock, stop: &Stop) -> Waited {
    let end = clock.monotonic() + pause;
    let watched = credentials.and_then(|login| Some((login.password_file.clone()?, &mut login.password)));
    let Some((path, password)) = watched else {
        return if stop.wait_timeout(pause) { Waited::Stopped } else { Waited::Over };
    };
    loop {
        if let Some(other) = read_password(&path).ok().filter(|other| other != password) {
            *password = other;
            return Waited::Changed;
        }
        let left = end.saturating_duration_since(clock.monotonic());
        if left.is_zero() {
            return Waited::Over;
        }
        if stop.wait_timeout(left.min(LOOK)) {
            return Waited::Stopped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;
    use crate::base::time::SystemClock;

    #[test]
    fn only_another_password_ends_the_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let mut login =
            Credentials { username: "op".to_owned(), password: Secret::new("old"), password_file: Some(path.clone()) };
        let (short, stop) = (Duration::from_millis(10), Stop::new());
        let wait = |login: &mut Credentials| super::wait(Some(login), short, &SystemClock, &stop);
        assert_eq!(wait(&mut login), Waited::Over, "no file");
        std::fs::write(&path, "old\n").unwrap();
        assert_eq!(wait(&mut login), Waited::Over, "the same");
        std::fs::write(&path, "").unwrap();
        assert_eq!(wait(&mut login), Waited::Over, "half written");
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(wait(&mut login), Waited::Changed);
        assert_eq!(login.password.expose(), "new");
    }
}
