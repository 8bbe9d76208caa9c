//! Tokens: what programs show instead of a password.

use super::{Access, MOST, secret, text};
use crate::access::user::Token;
use crate::base::{Error, ErrorKind, Result};
use crate::store::RecordSort;

impl Access {
    /// Tokens of one user or of all, by id.
    #[must_use]
    pub fn tokens(&self, user: Option<&str>) -> Vec<Token> {
        let state = self.read();
        state.tokens.values().filter(|token| user.is_none_or(|user| token.user == user)).cloned().collect()
    }

    /// Makes a token of a user: what it is known by, and its secret, which is kept nowhere.
    ///
    /// # Errors
    /// `Busy` when the user has too many.
    pub fn create_token(&self, user: &str, label: &str) -> Result<(Token, String)> {
        if self.tokens(Some(user)).len() >= MOST {
            return Err(Error::new(ErrorKind::Busy, "this user has too many tokens; delete some"));
        }
        let secret = format!("vantage_{}", secret::secret());
        let label = label.chars().take(100).collect();
        let (id, created) = (secret::id(), self.clock.utc());
        let token = Token { id, user: user.to_owned(), label, created, last_seen: None };
        let key = secret::hashed(&secret);
        self.db.put(RecordSort::Token, &key, &text(&token)?)?;
        self.write().tokens.insert(key, token.clone());
        Ok((token, secret))
    }

    /// Takes a token out, of that user or of anybody; whether there was one.
    ///
    /// # Errors
    /// `DiskFull` or `Io`; the token has ended all the same, until the program starts again.
    pub fn delete_token(&self, id: &str, user: Option<&str>) -> Result<bool> {
        let wanted = |token: &Token| token.id == id && user.is_none_or(|user| token.user == user);
        let gone: Vec<String> =
            self.write().tokens.extract_if(.., |_, token| wanted(token)).map(|(key, _)| key).collect();
        gone.iter().try_for_each(|key| self.db.remove(RecordSort::Token, key))?;
        Ok(!gone.is_empty())
    }
}
