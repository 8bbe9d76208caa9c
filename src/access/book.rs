//! The book of users, sessions and tokens: every decision and every change.

mod federated;
mod tokens;

pub use self::federated::{Stranger, Vouched};

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::audit::Trail;
use super::password;
use super::role::{Role, Scope};
use super::secret;
use super::throttle::Throttle;
use super::user::{self, Session, Token, User};
use crate::base::{Clock, Error, ErrorKind, Result, Timestamp};
use crate::store::{AccessDb, AuditEntry, RecordSort};

/// A session ends after so long without a request.
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// And after so long in any case.
const LIFE: Duration = Duration::from_secs(7 * 86_400);
/// How exact "last seen" is.
const SEEN_EVERY: Duration = Duration::from_secs(60);
/// Most users, and most sessions and tokens of one.
const MOST: usize = 1000;
/// The first administrator's name.
const FIRST_USER: &str = "admin";

/// A user name with a password that works once, for whoever reads the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTime {
    /// The user.
    pub user: String,
    /// The password, which must be changed at the first login.
    pub password: String,
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// The user's name.
    pub user: String,
    /// What the user may do.
    pub role: Role,
    /// Which cameras the user may see.
    pub scope: Scope,
    /// `vi` or `en`.
    pub language: String,
    /// Whether nothing may be done before the password is changed.
    pub must_change_password: bool,
    /// The session, if a browser asks; a token has none.
    pub session: Option<Session>,
}

impl Principal {
    /// Whether it manages what is everybody's: users, sessions and tokens.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.role == Role::Administrator && self.scope.is_all()
    }
}

/// Why somebody does not get in.
#[derive(Debug)]
pub enum Denied {
    /// The login limit holds: how long to wait before the next try.
    TooSoon(Duration),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a login gives.
#[derive(Debug, Clone)]
pub struct Login {
    /// The cookie's value.
    pub secret: String,
    /// Who it is now.
    pub principal: Principal,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name to log in with.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The scope.
    pub scope: Scope,
    /// `vi` or `en`.
    pub language: String,
}

/// What changes of a user; `None` leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The role.
    pub role: Option<Role>,
    /// Wards.
    pub wards: Option<Option<Vec<String>>>,
    /// Cameras.
    pub cameras: Option<Option<Vec<String>>>,
    /// Whether the user may log in.
    pub disabled: Option<bool>,
    /// Gives a new one-time password.
    pub reset_password: bool,
}

/// See the module.
pub struct Access {
    db: Arc<AccessDb>,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    throttle: Throttle,
    /// One password is hashed at a time: each takes 19 MiB and a good part of a core.
    hashing: Mutex<()>,
    trail: Trail,
}

#[derive(Default)]
struct State {
    users: BTreeMap<String, User>,
    /// By the hash of the cookie's value.
    sessions: BTreeMap<String, Session>,
    /// By the hash of the token.
    tokens: BTreeMap<String, Token>,
}

impl Access {
    /// Opens the book of a store folder. Without any user there is an administrator afterwards, whose one-time password
    /// is returned and kept nowhere else.
    ///
    /// # Errors
    /// As [`AccessDb::open`]; `Corrupt` for a record that cannot be read.
    pub fn open(store: &Path, clock: Arc<dyn Clock>) -> Result<(Self, Option<OneTime>)> {
        let db = Arc::new(AccessDb::open(store)?);
        let state = State {
            users: load(&db, RecordSort::User)?,
            sessions: load(&db, RecordSort::Session)?,
            tokens: load(&db, RecordSort::Token)?,
        };
        let trail = Trail::start(Arc::clone(&db))?;
        let (state, throttle, hashing) = (RwLock::new(state), Throttle::default(), Mutex::new(()));
        let access = Self { db, clock, state, throttle, hashing, trail };
        access.forget_expired()?;
        if !access.read().users.is_empty() {
            return Ok((access, None));
        }
        let new = NewUser {
            name: FIRST_USER.to_owned(),
            role: Role::Administrator,
            scope: Scope::default(),
            language: "vi".to_owned(),
        };
        let password = access.create(new)?;
        Ok((access, Some(OneTime { user: FIRST_USER.to_owned(), password })))
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The audit trail.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// The database, for reading the audit trail.
    #[must_use]
    pub fn db(&self) -> &AccessDb {
        &self.db
    }

    /// An entry of the trail, at this moment.
    #[must_use]
    pub fn entry(&self, who: &Principal, address: IpAddr, action: &str, object: &str, detail: &str) -> AuditEntry {
        AuditEntry {
            at: self.clock.utc(),
            actor: who.user.clone(),
            role: who.role.as_str().to_owned(),
            address: address.to_string(),
            action: action.to_owned(),
            object: object.to_owned(),
            detail: detail.to_owned(),
        }
    }

    /// Checks a password and begins a session. Takes tens of milliseconds of CPU.
    ///
    /// # Errors
    /// `TooSoon` while the login limit holds; `Auth` for a wrong name or password, which are not told apart; `Busy` when
    /// the user has too many sessions.
    pub fn login(&self, user: &str, password: &str, address: IpAddr, agent: &str) -> Result<Login, Denied> {
        self.may_try(user, address)?;
        let wrong = || Error::new(ErrorKind::Auth, "the name or the password is wrong");
        let known = self.read().users.get(user).filter(|user| !user.disabled && user.subject.is_none()).cloned();
        let hash = known.as_ref().map(|user| user.password.as_str());
        if !self.is_right(user, password, hash, address)? {
            return Err(wrong().into());
        }
        let known = known.ok_or_else(wrong)?;
        self.throttle.succeeded(user);
        self.begin(&known.name, address, agent, |user| {
            // Somebody may have disabled the user or reset the password while this one was being checked.
            let same = !user.disabled && user.password == known.password;
            if same { Ok(()) } else { Err(wrong()) }
        })
        .map_err(|error| if error.kind() == ErrorKind::NotFound { wrong() } else { error })
        .map_err(Denied::from)
    }

    /// Begins a session of a user who has shown who it is; `check` looks at the user as it is now.
    fn begin(
        &self,
        name: &str,
        address: IpAddr,
        agent: &str,
        check: impl FnOnce(&mut User) -> Result<()>,
    ) -> Result<Login> {
        let now = self.clock.utc();
        let secret = secret::secret();
        let session = Session {
            id: secret::id(),
            user: name.to_owned(),
            csrf: secret::secret(),
            created: now,
            expires: now + IDLE,
            last_seen: now,
            address: address.to_string(),
            agent: agent.chars().take(200).collect(),
        };
        self.forget_expired()?;
        let own = self.read().sessions.values().filter(|session| session.user == name).count();
        if own >= MOST {
            return Err(Error::new(ErrorKind::Busy, "this user has too many sessions; revoke some"));
        }
        let known = self.update(name, |user| {
            check(user)?;
            user.last_seen = Some(now);
            Ok(())
        })?;
        let key = secret::hashed(&secret);
        self.db.put(RecordSort::Session, &key, &text(&session)?)?;
        let principal = principal(&known, Some(session.clone()));
        self.write().sessions.insert(key, session);
        Ok(Login { secret, principal })
    }

    /// Whose cookie or token this is; `None` for a wrong or expired one.
    #[must_use]
    pub fn who(&self, secret: &str, is_token: bool) -> Option<Principal> {
        let key = secret::hashed(secret);
        let now = self.clock.utc();
        let (found, stale) = {
            let state = self.read();
            let (user, session, seen) = if is_token {
                let token = state.tokens.get(&key)?;
                (&token.user, None, token.last_seen)
            } else {
                let session = state.sessions.get(&key).filter(|session| is_alive(session, now))?;
                (&session.user, Some(session.clone()), Some(session.last_seen))
            };
            let user = state.users.get(user).filter(|user| !user.disabled)?;
            (principal(user, session), seen.is_none_or(|seen| now - seen > SEEN_EVERY))
        };
        if stale && let Some((sort, body)) = self.seen(&key, is_token, now) {
            self.trail.keep(sort, key, body);
        }
        Some(found)
    }

    /// Notes the moment, and says what is to be written of it.
    fn seen(&self, key: &str, is_token: bool, now: Timestamp) -> Option<(RecordSort, String)> {
        let mut state = self.write();
        if is_token {
            let token = state.tokens.get_mut(key)?;
            token.last_seen = Some(now);
            return Some((RecordSort::Token, text(token).ok()?));
        }
        let session = state.sessions.get_mut(key)?;
        session.last_seen = now;
        session.expires = (now + IDLE).min(session.created + LIFE);
        Some((RecordSort::Session, text(session).ok()?))
    }

    fn forget_expired(&self) -> Result<()> {
        let now = self.clock.utc();
        let gone: Vec<String> = {
            let mut state = self.write();
            state.sessions.extract_if(.., |_, session| !is_alive(session, now)).map(|(key, _)| key).collect()
        };
        gone.iter().try_for_each(|key| self.db.remove(RecordSort::Session, key))
    }

    /// Whether the text is the session's CSRF token.
    #[must_use]
    pub fn csrf_fits(session: &Session, given: &str) -> bool {
        secret::same(&session.csrf, given)
    }

    /// Sessions that are alive, of one user or of all, the latest first.
    #[must_use]
    pub fn sessions(&self, user: Option<&str>) -> Vec<Session> {
        let now = self.clock.utc();
        let state = self.read();
        let wanted = |session: &&Session| is_alive(session, now) && user.is_none_or(|user| session.user == user);
        let mut found: Vec<Session> = state.sessions.values().filter(wanted).cloned().collect();
        found.sort_by_key(|session| std::cmp::Reverse(session.last_seen));
        found
    }

    /// Ends a session by its id, of that user or of anybody; whether there was one.
    ///
    /// # Errors
    /// `DiskFull` or `Io`; the session has ended all the same, until the program starts again.
    pub fn end_session(&self, id: &str, user: Option<&str>) -> Result<bool> {
        self.end_sessions(|session| session.id == id && user.is_none_or(|user| session.user == user))
    }

    fn end_sessions(&self, wanted: impl Fn(&Session) -> bool) -> Result<bool> {
        let gone: Vec<String> =
            self.write().sessions.extract_if(.., |_, session| wanted(session)).map(|(key, _)| key).collect();
        gone.iter().try_for_each(|key| self.db.remove(RecordSort::Session, key))?;
        Ok(!gone.is_empty())
    }

    /// Changes the password and ends the user's other sessions.
    ///
    /// # Errors
    /// `Auth` when the old one is wrong; `TooSoon` for the login limit; `Config` when the new one is none.
    pub fn change_password(&self, who: &Principal, address: IpAddr, old: &str, new: &str) -> Result<(), Denied> {
        self.may_try(&who.user, address)?;
        let wrong = || Error::new(ErrorKind::Auth, "the old password is wrong");
        let Some(known) = self.user(&who.user) else { return Err(gone().into()) };
        if !self.is_right(&who.user, old, Some(&known.password), address)? {
            return Err(wrong().into());
        }
        let fault = password::fault(new, &known.name).or_else(|| (old == new).then(|| "it is the old one".to_owned()));
        if let Some(fault) = fault {
            return Err(Error::new(ErrorKind::Config, fault).into());
        }
        let hash = {
            let _one_at_a_time = self.hashing.lock().unwrap_or_else(PoisonError::into_inner);
            password::hash(new)?
        };
        self.update(&who.user, |user| {
            // An administrator may have given another one meanwhile.
            if user.password != known.password {
                return Err(wrong());
            }
            user.password = hash;
            user.must_change_password = false;
            Ok(())
        })?;
        let own = who.session.as_ref().map(|session| session.id.as_str());
        self.end_sessions(|session| session.user == who.user && Some(session.id.as_str()) != own)?;
        Ok(())
    }

    /// Sets a user's language: `vi` or `en`.
    ///
    /// # Errors
    /// `Config` for another one; `NotFound`.
    pub fn set_language(&self, name: &str, language: &str) -> Result<()> {
        if !matches!(language, "vi" | "en") {
            return Err(Error::new(ErrorKind::Config, "the language is `vi` or `en`"));
        }
        self.update(name, |user| {
            user.language = language.to_owned();
            Ok(())
        })
        .map(drop)
    }

    /// All users by name.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        self.read().users.values().cloned().collect()
    }

    /// A user.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<User> {
        self.read().users.get(name).cloned()
    }

    /// Makes a user; the one-time password.
    ///
    /// # Errors
    /// `Busy` when there is such a user; `Config` for a name that is none.
    pub fn create(&self, new: NewUser) -> Result<String> {
        user::check_name(&new.name)?;
        if self.read().users.len() >= MOST {
            return Err(Error::new(ErrorKind::Busy, format!("there are {MOST} users already")));
        }
        let password = secret::one_time_password();
        let user = User {
            name: new.name,
            password: password::hash(&password)?,
            subject: None,
            role: new.role,
            scope: new.scope,
            language: if new.language == "en" { "en" } else { "vi" }.to_owned(),
            must_change_password: true,
            disabled: false,
            created: self.clock.utc(),
            last_seen: None,
        };
        let mut state = self.write();
        if state.users.contains_key(&user.name) {
            return Err(Error::new(ErrorKind::Busy, format!("there is a user {} already", user.name)));
        }
        self.db.put(RecordSort::User, &user.name, &text(&user)?)?;
        state.users.insert(user.name.clone(), user);
        Ok(password)
    }

    /// Changes a user; the new one-time password, if one was asked for. Takes effect for every session at once.
    ///
    /// # Errors
    /// `NotFound`; `Config` when no administrator would be left.
    pub fn change(&self, name: &str, change: UserChange) -> Result<Option<String>> {
        let reset = change.reset_password.then(secret::one_time_password);
        let hash = reset.as_deref().map(password::hash).transpose()?;
        {
            let mut state = self.write();
            let known = state.users.get(name);
            let mut user =
                known.cloned().ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no user {name}")))?;
            user.role = change.role.unwrap_or(user.role);
            user.scope.wards = change.wards.unwrap_or(user.scope.wards);
            user.scope.cameras = change.cameras.unwrap_or(user.scope.cameras);
            user.disabled = change.disabled.unwrap_or(user.disabled);
            if hash.is_some() && user.subject.is_some() {
                let what = format!("{name} logs in by a provider and has no password here");
                return Err(Error::new(ErrorKind::Config, what));
            }
            if let Some(hash) = hash {
                user.password = hash;
                user.must_change_password = true;
            }
            if !is_master(&user) {
                state.needs_another_master(name)?;
            }
            self.db.put(RecordSort::User, name, &text(&user)?)?;
            state.users.insert(name.to_owned(), user);
        }
        if change.disabled == Some(true) || reset.is_some() {
            self.end_sessions(|session| session.user == name)?;
        }
        Ok(reset)
    }

    /// Takes a user out, with sessions and tokens.
    ///
    /// # Errors
    /// `NotFound`; `Config` when no administrator would be left.
    pub fn delete(&self, name: &str) -> Result<()> {
        let tokens: Vec<String> = {
            let mut state = self.write();
            if !state.users.contains_key(name) {
                return Err(Error::new(ErrorKind::NotFound, format!("there is no user {name}")));
            }
            state.needs_another_master(name)?;
            self.db.remove(RecordSort::User, name)?;
            state.users.remove(name);
            state.tokens.extract_if(.., |_, token| token.user == name).map(|(key, _)| key).collect()
        };
        tokens.iter().try_for_each(|key| self.db.remove(RecordSort::Token, key))?;
        self.end_sessions(|session| session.user == name).map(drop)
    }

    /// Changes a user as it is now: of two changes at once neither undoes the other, and who is gone stays gone.
    fn update(&self, name: &str, change: impl FnOnce(&mut User) -> Result<()>) -> Result<User> {
        let mut state = self.write();
        let mut user = state.users.get(name).cloned().ok_or_else(gone)?;
        change(&mut user)?;
        self.db.put(RecordSort::User, name, &text(&user)?)?;
        state.users.insert(name.to_owned(), user.clone());
        Ok(user)
    }

    /// Whether the login limit lets this one try a password.
    fn may_try(&self, user: &str, address: IpAddr) -> Result<(), Denied> {
        self.throttle.wait(user, address, self.clock.monotonic()).map_or(Ok(()), |wait| Err(Denied::TooSoon(wait)))
    }

    /// Whether it is the password of that hash. Tried and counted one at a time, so that many at once get no more tries
    /// than one after the other.
    fn is_right(&self, user: &str, password: &str, hash: Option<&str>, address: IpAddr) -> Result<bool, Denied> {
        let _one_at_a_time = self.hashing.lock().unwrap_or_else(PoisonError::into_inner);
        self.may_try(user, address)?;
        let is_right = password::is_right(password, hash);
        if !is_right {
            self.throttle.failed(user, address, self.clock.monotonic());
        }
        Ok(is_right)
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::NotFound, "this user is gone")
}

impl State {
    /// There must always be somebody who may do everything.
    fn needs_another_master(&self, but: &str) -> Result<()> {
        if self.users.values().any(|user| user.name != but && is_master(user)) {
            return Ok(());
        }
        let known = self.users.get(but).is_some_and(is_master);
        if !known {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Config, format!("{but} is the only administrator of all cameras")))
    }
}

/// With a password: what a provider says of its users may change.
fn is_master(user: &User) -> bool {
    user.role == Role::Administrator && user.scope.is_all() && !user.disabled && user.subject.is_none()
}

fn is_alive(session: &Session, now: Timestamp) -> bool {
    now < session.expires
}

fn principal(user: &User, session: Option<Session>) -> Principal {
    Principal {
        user: user.name.clone(),
        role: user.role,
        scope: user.scope.clone(),
        language: user.language.clone(),
        must_change_password: user.must_change_password,
        session,
    }
}

fn text(record: &impl Serialize) -> Result<String> {
    serde_json::to_string(record).map_err(|e| Error::new(ErrorKind::Internal, "a record is no JSON").source(e))
}

fn load<T: DeserializeOwned>(db: &AccessDb, sort: RecordSort) -> Result<BTreeMap<String, T>> {
    let read = |(key, body): (String, String)| {
        let record = serde_json::from_str(&body)
            .map_err(|e| Error::new(ErrorKind::Corrupt, format!("access.db: {sort:?} {key}")).source(e))?;
        Ok((key, record))
    };
    db.records(sort)?.into_iter().map(read).collect()
}
