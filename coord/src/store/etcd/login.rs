//! Who we are to the servers: a token, which they give for a name and a password.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::address::Address;
use super::failure::{self, Refusal};
use super::link;
use super::wire::{AuthenticateRequest, AuthenticateResponse};
use crate::error::StoreError;
use crate::store::Result;

const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";

pub(super) type Token = MetadataValue<Ascii>;

/// The token that goes with all that is asked, over whichever connection.
#[derive(Default)]
pub(super) struct Login(RwLock<Option<Token>>);

impl Login {
    pub(super) fn token(&self) -> Option<Token> {
        self.read().clone()
    }

    /// Asks for another token with the next connection, unless that has been done since this one was refused.
    pub(super) fn forget(&self, refused: Option<&Token>) {
        let mut token = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if token.as_ref() == refused {
            *token = None;
        }
    }

    /// Gets a token, if there is a user and it has none.
    pub(super) async fn begin(
        &self,
        operation: &'static str,
        address: &Address,
        channel: &Channel,
    ) -> Result<()> {
        let Some(user) = address.user.as_ref().filter(|_| self.read().is_none()) else {
            return Ok(());
        };
        let asked = AuthenticateRequest {
            name: user.name.clone(),
            password: user.password.clone(),
        };
        let answer: std::result::Result<AuthenticateResponse, _> =
            link::ask(channel, None, AUTHENTICATE, &asked).await;
        match answer {
            Ok(answer) => {
                let token = Token::try_from(answer.token);
                self.set(token.map_err(|_| failure::of_reply(operation))?);
                Ok(())
            }
            // It asks nobody who he is.
            Err(status) if status.message().contains("authentication is not enabled") => Ok(()),
            Err(status) => Err(match failure::of_status(&status, true) {
                Refusal::Final(kind, problem) => StoreError::new(kind, operation, problem),
                _ => failure::of_connecting(operation),
            }),
        }
    }

    fn set(&self, token: Token) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Token>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Also has a server without a leader refuse what it cannot do, rather than keep it.
pub(super) fn sign<T>(mut request: Request<T>, token: Option<&Token>) -> Request<T> {
    let metadata = request.metadata_mut();
    metadata.insert("hasleader", MetadataValue::from_static("true"));
    if let Some(token) = token {
        metadata.insert("token", token.clone());
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_although_the_one_before_is_refused_late() {
        let login = Login::default();
        let [first, second] = ["first", "second"].map(Token::from_static);
        login.set(first.clone());
        login.forget(Some(&first));
        assert_eq!(login.token(), None);
        login.set(second.clone());
        login.forget(Some(&first));
        login.forget(None);
        assert_eq!(login.token(), Some(second));
    }
}
