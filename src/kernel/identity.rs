//! Users and groups of this host.
//!
//! A lookup may ask a directory service and take long: never on a thread that must not wait.

use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};

/// Who runs a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// All groups, `gid` among them.
    pub groups: Vec<u32>,
    /// The user's name; the number where it has none.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
}

/// A user or group cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such user.
    #[error("there is no user {0}")]
    NoUser(String),
    /// There is no such group.
    #[error("there is no group {0}")]
    NoGroup(String),
    /// A user that is only a number has no group of its own.
    #[error("user {0} has no entry in the user database: a group must be named")]
    GroupNeeded(u32),
    /// The database does not answer.
    #[error("cannot look up {name}: {errno}")]
    Lookup {
        /// What was looked up.
        name: String,
        /// Why it failed.
        errno: Errno,
    },
}

/// Looks a user up, by name or number, and a group or the user's own.
///
/// # Errors
///
/// As [`enum@Error`] says.
pub fn look_up(user: &str, group: Option<&str>) -> Result<Identity, Error> {
    let failed = |errno| Error::Lookup {
        name: user.to_owned(),
        errno,
    };
    let number = user.parse::<u32>().ok();
    let found = match number {
        Some(uid) => User::from_uid(Uid::from_raw(uid)),
        None => User::from_name(user),
    }
    .map_err(failed)?;
    let group = group.map(look_up_group).transpose()?;
    let Some(found) = found else {
        let uid = number.ok_or_else(|| Error::NoUser(user.to_owned()))?;
        let gid = group.ok_or(Error::GroupNeeded(uid))?;
        return Ok(Identity {
            uid,
            gid,
            groups: vec![gid],
            name: uid.to_string(),
            home: "/".into(),
        });
    };
    let gid = group.unwrap_or(found.gid.as_raw());
    Ok(Identity {
        uid: found.uid.as_raw(),
        gid,
        groups: groups_of(&found.name, gid).map_err(failed)?,
        name: found.name,
        home: found.dir,
    })
}

fn look_up_group(name: &str) -> Result<u32, Error> {
    let failed = |errno| Error::Lookup {
        name: name.to_owned(),
        errno,
    };
    if let Ok(gid) = name.parse() {
        return Ok(gid);
    }
    match Group::from_name(name).map_err(failed)? {
        Some(group) => Ok(group.gid.as_raw()),
        None => Err(Error::NoGroup(name.to_owned())),
    }
}

fn groups_of(name: &str, gid: u32) -> Result<Vec<u32>, Errno> {
    let name = std::ffi::CString::new(name).map_err(|_| Errno::EINVAL)?;
    let groups = nix::unistd::getgrouplist(&name, Gid::from_raw(gid))?;
    let mut groups: Vec<_> = groups.into_iter().map(Gid::as_raw).collect();
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// Becomes this user for good, with exactly these groups.
///
/// # Errors
///
/// What was attempted, and the kernel's verdict; the process must not go on then.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), (&'static str, Errno)> {
    let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
    let gid = Gid::from_raw(gid);
    let uid = Uid::from_raw(uid);
    nix::unistd::setgroups(&groups).map_err(|errno| ("set the groups", errno))?;
    nix::unistd::setresgid(gid, gid, gid).map_err(|errno| ("set the group", errno))?;
    nix::unistd::setresuid(uid, uid, uid).map_err(|errno| ("set the user", errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name_and_by_number() {
        let root = look_up("root", None).unwrap();
        assert_eq!((root.uid, root.gid, root.name.as_str()), (0, 0, "root"));
        assert_eq!(look_up("0", None).unwrap(), root);
        assert!(root.groups.contains(&0));
        assert_eq!(look_up("root", Some("12345")).unwrap().gid, 12_345);
        let nobody = look_up("4000000", Some("5")).unwrap();
        assert_eq!((nobody.uid, nobody.groups), (4_000_000, vec![5]));
    }

    #[test]
    fn who_is_not_there_is_named() {
        let error = |user, group| look_up(user, group).unwrap_err().to_string();
        assert_eq!(error("no-such-user", None), "there is no user no-such-user");
        assert_eq!(error("root", Some("no-such")), "there is no group no-such");
        assert_eq!(
            error("4000000", None),
            Error::GroupNeeded(4_000_000).to_string()
        );
    }
}
