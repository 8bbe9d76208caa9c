//! Users and logins when many ask at once.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use vantage::access::{Access, Denied, NewUser, Role, Scope, UserChange};
use vantage::base::ErrorKind;
use vantage::base::time::SystemClock;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "a password that is long";

/// A book with the user `an`, whose password is known.
fn book(folder: &tempfile::TempDir) -> Access {
    let (access, first) = Access::open(folder.path(), Arc::new(SystemClock)).unwrap();
    assert_eq!(first.unwrap().user, "admin");
    let new =
        NewUser { name: "an".to_owned(), role: Role::Operator, scope: Scope::default(), language: "vi".to_owned() };
    let one_time = access.create(new).unwrap();
    let login = access.login("an", &one_time, HERE, "").unwrap();
    access.change_password(&login.principal, HERE, &one_time, PASSWORD).unwrap();
    access
}

#[test]
fn many_tries_at_once_are_no_more_than_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let access = book(&folder);
    let tried = thread::scope(|scope| {
        let wrong = || access.login("an", "another password", HERE, "").unwrap_err();
        let tries: Vec<_> = (0..20).map(|_| scope.spawn(wrong)).collect();
        let denied = tries.into_iter().map(|try_| try_.join().unwrap());
        denied.filter(|denied| matches!(denied, Denied::Failed(error) if error.kind() == ErrorKind::Auth)).count()
    });
    assert_eq!(tried, 5, "the others are told to wait");
}

#[test]
fn a_login_undoes_nothing_that_was_decided_meanwhile() {
    for deleted in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let access = book(&folder);
        thread::scope(|scope| {
            let login = scope.spawn(|| access.login("an", PASSWORD, HERE, ""));
            // The password takes longer than this to be checked; either order must come to the same.
            thread::sleep(Duration::from_millis(3));
            if deleted {
                access.delete("an").unwrap();
            } else {
                access.change("an", UserChange { disabled: Some(true), ..UserChange::default() }).unwrap();
            }
            if let Ok(login) = login.join().unwrap() {
                assert!(access.who(&login.secret, false).is_none());
            }
        });
        assert!(access.user("an").is_none_or(|user| user.disabled), "deleted: {deleted}");
        drop(access);
        let (again, _) = Access::open(folder.path(), Arc::new(SystemClock)).unwrap();
        assert!(again.user("an").is_none_or(|user| user.disabled), "deleted: {deleted}, after a restart");
    }
}
