//! The home of a run: what is installed, whose it is, and the lock under which it is changed.

use super::Session;
use crate::{
    commands::Error,
    domain::Inventory,
    event::Event,
    fs::lock::Lock,
    store::{self, claim::Claim},
};

impl Session {
    /// Returns the installed components.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn inventory(&self) -> Result<Inventory, Error> {
        store::inventory::read(&self.layout).or_else(|source| {
            self.ensure_home()?;
            Err(Error::Store {
                action: "read",
                source,
            })
        })
    }

    /// Makes the home's directories and takes the store lock, telling the user who holds it if that takes a while.
    ///
    /// # Errors
    /// When the home cannot be made, or another process holds the lock for too long.
    pub fn lock_store(&self) -> Result<Lock, Error> {
        self.prepare()?;
        Ok(store::lock(
            &self.layout,
            self.lock_timeout(),
            self.reporter.as_ref(),
        )?)
    }

    /// Makes the home's directories.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn prepare(&self) -> Result<(), Error> {
        if let Some((place, owner)) = store::directories::of_another_user(&self.layout, self.env.user_home())
        {
            // `sudo ampup`, most often: HOME is still the user's.
            let home = self.layout.home();
            let whose = if place == home {
                format!("`{home}` belongs to user {owner}, who cannot change what root writes there")
            } else {
                format!(
                    "`{home}` will be root's, in `{place}`, which belongs to user {owner}, who cannot change it then"
                )
            };
            let text = format!("{whose}; run ampup as that user, or choose another home with `--home`");
            self.reporter.report(Event::Warning(text));
        }
        self.ensure_writable()?;
        store::directories::prepare(&self.layout, self.env.user_home()).map_err(|source| Error::Store {
            action: "make",
            source,
        })
    }

    /// Ensures that the home is ampup's, and ours to write to.
    ///
    /// # Errors
    /// When something in it was there before ampup, or it is another user's or on a read-only file system.
    pub(crate) fn ensure_writable(&self) -> Result<(), Error> {
        self.ensure_home()?;
        store::directories::ensure_writable(&self.layout).map_err(|source| Error::NotOurs {
            command: self.command.clone(),
            source,
        })
    }

    /// Ensures that nothing in the home was there before ampup.
    ///
    /// # Errors
    /// When something was, or the home cannot be read.
    pub(crate) fn ensure_home(&self) -> Result<(), Error> {
        let claim = store::claim::read(&self.layout).map_err(|source| Error::Store {
            action: "look at",
            source,
        })?;
        match claim {
            Claim::Foreign(entry) => Err(Error::Usage {
                message: entry.to_string(),
                hint: "choose another home with `--home` or `AMPUP_HOME`".to_owned(),
            }),
            Claim::Made(_) | Claim::Free => Ok(()),
        }
    }
}
