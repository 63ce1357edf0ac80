//! Whoever asks the indexes: each question is asked once in a run, and once in an hour where answers are kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

use super::{DiscoverError, Memory, memory::Answer};
use crate::{
    domain::Target,
    fetch::{FetchError, Fresh, Wire},
};

/// An answer of an index is not larger, in bytes. A page of GitHub's with a hundred releases has about two MiB.
const ANSWER: u64 = 16 << 20;

type Asked = Arc<OnceCell<Result<Answer, Arc<FetchError>>>>;

/// The means to ask an index.
pub struct Asker<'a> {
    wire: &'a Wire,
    memory: Option<&'a Memory>,
    target: Option<Target>,
    asked: Mutex<BTreeMap<String, Asked>>,
}

impl<'a> Asker<'a> {
    /// Asks by `wire`, about `target` alone or about all; answers are kept in `memory`.
    pub fn new(wire: &'a Wire, target: Option<Target>, memory: Option<&'a Memory>) -> Self {
        Self {
            wire,
            memory,
            target,
            asked: Mutex::default(),
        }
    }

    pub(super) fn target(&self) -> Option<Target> {
        self.target
    }

    /// A file of the web, whole, with the address of the page that follows it.
    pub(super) async fn get(&self, url: &str) -> Result<Answer, DiscoverError> {
        let ask = async |before: Option<&Answer>| {
            let etag = before.and_then(|before| before.etag.as_deref());
            match self.wire.get_small(url, ANSWER, etag).await? {
                Fresh::Modified { body, etag, next } => Ok(Some(Answer { body, etag, next })),
                Fresh::NotModified => Ok(None),
            }
        };
        self.once(url, ask).await
    }

    /// The output of `npm view` of these fields of a package.
    pub(super) async fn npm(&self, package: &str, fields: &[&str]) -> Result<Answer, DiscoverError> {
        let question = format!("npm {package} {}", fields.join(" "));
        let ask = async |_: Option<&Answer>| {
            Ok(Some(Answer::of_client(
                self.wire.view_npm(package, fields).await?,
            )))
        };
        self.once(&question, ask).await
    }

    /// The output of a command of pip's about the wheels of a platform.
    pub(super) async fn pip(
        &self,
        package: &str,
        words: &[&str],
        platform: &str,
    ) -> Result<Answer, DiscoverError> {
        let question = format!("pip {} {platform} {package}", words.join(" "));
        let ask = async |_: Option<&Answer>| {
            let output = self.wire.ask_pip(package, words, platform).await?;
            Ok(Some(Answer::of_client(output)))
        };
        self.once(&question, ask).await
    }

    /// The answer to a question: of this run, of the last hour, or of whoever is asked now. That one is given what was
    /// answered before, and may say that it still holds.
    async fn once(
        &self,
        question: &str,
        ask: impl AsyncFnOnce(Option<&Answer>) -> Result<Option<Answer>, FetchError>,
    ) -> Result<Answer, DiscoverError> {
        let cell = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(asked.entry(question.to_owned()).or_default())
        };
        let answer = cell.get_or_init(async || {
            let before = self.memory.and_then(|memory| memory.recall(question));
            let (before, is_recent) =
                before.map_or((None, false), |(answer, is_recent)| (Some(answer), is_recent));
            if is_recent && let Some(before) = before {
                return Ok(before);
            }
            let answer = match (ask(before.as_ref()).await, before) {
                (Ok(Some(answer)), _) | (Ok(None), Some(answer)) => answer,
                (Ok(None), None) => Answer::default(),
                (Err(error), _) => return Err(Arc::new(error)),
            };
            if let Some(memory) = self.memory {
                memory.keep(question, &answer);
            }
            Ok(answer)
        });
        Ok(answer.await.clone()?)
    }
}
