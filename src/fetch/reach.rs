//! A look at whether an artifact could be fetched, which fetches nothing.

use camino::Utf8Path;
use url::Url;

use super::{
    FetchError, PackageClient, Wire, address, authority, https::Question, local, retry::Failed,
    retry::Retries,
};
use crate::domain::{Artifact, Digest, Source};

impl Wire {
    /// Ensures that an artifact is here, or that somebody who has it answers. A package registry is not asked: it is enough
    /// that its client is on this machine.
    ///
    /// # Errors
    /// As `fetch` would give them.
    pub async fn ensure_in_reach(
        &self,
        name: &str,
        artifact: &Artifact,
        downloads: &Utf8Path,
    ) -> Result<(), FetchError> {
        self.ensure_allowed(name, artifact, downloads)?;
        let digest = self.expected(name, artifact).await?;
        let is_here = downloads.join(digest.file_name()).is_file();
        if is_here || self.is_mirrored(&artifact.source, &digest).await? {
            return Ok(());
        }
        match &artifact.source {
            Source::File { url } => local::look(&address::parse(url)?),
            Source::Https { url } => {
                let url = address::parse(url)?;
                self.ensure_online(name, &authority::host(&url))?;
                self.ensure_answers(&url).await
            }
            Source::Npm { .. } => self.ensure_client(PackageClient::Npm, &["npm", "npm.cmd"]),
            Source::PyPi { .. } => self.ensure_client(
                PackageClient::Pip,
                &["python3", "python", "python.exe", "uv", "uv.exe"],
            ),
        }
    }

    /// Returns true if the mirror has it, in one of the two places where it may be.
    async fn is_mirrored(&self, source: &Source, digest: &Digest) -> Result<bool, FetchError> {
        let Some(mirror) = &self.options.mirror else {
            return Ok(false);
        };
        let mut places = vec![address::by_digest(mirror, digest)?];
        if let Source::Https { url } = source {
            places.push(address::mirrored(mirror, &address::parse(url)?)?);
        }
        for place in places {
            let answer = match place.scheme() {
                "file" => local::look(&place),
                _ if self.options.offline.is_some() => return Ok(false),
                _ => self.ensure_answers(&place).await,
            };
            if answer.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks for a file, and does not read it.
    async fn ensure_answers(&self, url: &Url) -> Result<(), FetchError> {
        let question = Question {
            url,
            from: None,
            unless: None,
        };
        let mut retries = Retries::new(&self.options.limits);
        loop {
            match self.ask(question).await {
                Ok(_) => return Ok(()),
                Err(Failed::Again { at, why, after }) => self.wait(&mut retries, at, why, after).await?,
                Err(Failed::Unreachable { at, why }) => return Err(self.out_of_reach(at, why)),
                Err(Failed::Final(error)) => return Err(error),
            }
        }
    }

    fn ensure_client(&self, client: PackageClient, programs: &[&str]) -> Result<(), FetchError> {
        match self.program(programs, |_| true) {
            Some(_) => Ok(()),
            None => Err(FetchError::NoClient { client }),
        }
    }
}
