//! Users for whom somebody else vouches: they come to be at their first login, and are what they are vouched for.

use std::net::IpAddr;

use super::{Access, Login, MOST, text};
use crate::access::role::{Role, Scope};
use crate::access::user::{Subject, User, check_name};
use crate::base::{Error, ErrorKind, Result};
use crate::store::RecordSort;

/// What a provider says of somebody, in our words.
#[derive(Debug, Clone, PartialEq)]
pub struct Vouched {
    /// Who it is.
    pub subject: Subject,
    /// The name at first login.
    pub name: String,
    /// What the user may do from now on.
    pub role: Role,
    /// Which cameras the user may see from now on.
    pub scope: Scope,
}

/// Why somebody whom the provider knows does not get in.
#[derive(Debug)]
pub enum Stranger {
    /// The name is another user's here.
    NameTaken,
    /// The name is none.
    NoName,
    /// An administrator shut the user out.
    Disabled,
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Stranger {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Access {
    /// Begins a session of somebody for whom a provider vouches; whether the user came to be by it.
    ///
    /// # Errors
    /// See [`Stranger`].
    pub fn login_vouched(&self, who: &Vouched, address: IpAddr, agent: &str) -> Result<(Login, bool), Stranger> {
        let (name, is_new) = self.vouched_user(who)?;
        let mut disabled = false;
        let login = self.begin(&name, address, agent, |user| {
            disabled = user.disabled;
            if disabled {
                return Err(Error::new(ErrorKind::Permission, "this user is disabled"));
            }
            // Groups change, and with them what the user may do.
            (user.role, user.scope) = (who.role, who.scope.clone());
            Ok(())
        });
        match login {
            Err(_) if disabled => Err(Stranger::Disabled),
            Err(error) => Err(error.into()),
            Ok(login) => Ok((login, is_new)),
        }
    }

    /// The name of the user with that subject, who is made if need be; and whether it was.
    fn vouched_user(&self, who: &Vouched) -> Result<(String, bool), Stranger> {
        let mut state = self.write();
        if let Some(known) = state.users.values().find(|user| user.subject.as_ref() == Some(&who.subject)) {
            return Ok((known.name.clone(), false));
        }
        check_name(&who.name).map_err(|_| Stranger::NoName)?;
        // A name alone proves nothing: who is called so at the provider need not be who is called so here.
        if state.users.contains_key(&who.name) {
            return Err(Stranger::NameTaken);
        }
        if state.users.len() >= MOST {
            return Err(Error::new(ErrorKind::Busy, format!("there are {MOST} users already")).into());
        }
        let user = User {
            name: who.name.clone(),
            // No hash: no password fits it.
            password: String::new(),
            subject: Some(who.subject.clone()),
            role: who.role,
            scope: who.scope.clone(),
            language: "vi".to_owned(),
            must_change_password: false,
            disabled: false,
            created: self.clock.utc(),
            last_seen: None,
        };
        self.db.put(RecordSort::User, &user.name, &text(&user)?)?;
        state.users.insert(user.name.clone(), user);
        Ok((who.name.clone(), true))
    }
}
