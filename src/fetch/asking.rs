//! Questions to package registries: which versions of a package there are, and the digest that is stated of one. Asked
//! through the machine's own clients, in an empty private directory, as packages are fetched.

use super::{
    FetchError, PackageClient, Wire, locked,
    packages::{Failure, Room},
    pypi::REQUIREMENTS,
};

impl Wire {
    /// The output of `npm view` of these fields of a package, which is JSON.
    ///
    /// # Errors
    /// When there is no npm, or it has no answer.
    pub async fn view_npm(&self, package: &str, fields: &[&str]) -> Result<Vec<u8>, FetchError> {
        let words = [&[package][..], fields].concat();
        let origin = format!("npm {package}");
        self.ask_client(PackageClient::Npm, &origin, async |room| {
            self.view(&words, room).await
        })
        .await
    }

    /// The output of a command of pip's about the wheels of a platform.
    ///
    /// # Errors
    /// When there is no pip, or it has no answer.
    pub async fn ask_pip(
        &self,
        package: &str,
        words: &[&str],
        platform: &str,
    ) -> Result<Vec<u8>, FetchError> {
        let origin = format!("PyPI {package}");
        self.ask_client(PackageClient::Pip, &origin, async |room| {
            // It is asked for nothing else.
            room.write(REQUIREMENTS, "")?;
            self.run_pip(words, &[package], platform, room).await
        })
        .await
    }

    async fn ask_client(
        &self,
        client: PackageClient,
        origin: &str,
        ask: impl AsyncFnOnce(&Room) -> Result<Vec<u8>, Failure>,
    ) -> Result<Vec<u8>, FetchError> {
        self.ensure_online(&format!("`{origin}`"), &client.to_string())?;
        if let Some(why) = locked(&self.failed_clients).get(&client) {
            return Err(super::packages::of_client(client, why.clone()));
        }
        let room = Room::temporary()?;
        let answer = ask(&room).await;
        answer.map_err(|failure| self.of_failure(client, origin, failure))
    }
}
